"""Several processes that work on one study."""

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool

from skmm.model_selection._tuning.storage import claim, is_shared, open_study

STARTS = 3  # of all processes, if one of them is killed


def run_processes(work, place, key, jobs, search):
    """Have several processes work on a study.

    Parameters
    ----------
    work : Work
    place : tuple
        Arguments of `open_study`. Without a storage there is a journal, for as long as
        it takes.
    key : dict
        Of `claim`.
    jobs : int
    search : ModalitySearchCV
        Gets its attribute `study_`.
    """
    storage, *rest = place
    if is_shared(storage):
        search.study_ = open_study(*place)
        claim(search.study_, key)
        _run(work, place, jobs)
        return
    if storage is not None:
        raise ValueError(
            "storage is in the memory of this process, which others cannot reach. "
            "Use n_jobs=None, or give a path or URL."
        )
    with tempfile.TemporaryDirectory() as folder:
        place = (str(Path(folder) / "study.log"), *rest)
        study = open_study(*place)
        try:
            _run(work, place, jobs)
        finally:  # also after Ctrl-C
            search.study_ = _in_memory(study, rest)


def _run(work, place, jobs):
    for start in range(STARTS):
        shown = [work.verbose and first == 0 for first in range(jobs)]
        tasks = (delayed(_work)(replace(work, verbose=v), place) for v in shown)
        try:
            Parallel(n_jobs=jobs, prefer="processes")(tasks)
            return
        except BrokenProcessPool as error:
            if start == STARTS - 1:
                raise
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"a process of the search was killed: {reason} What it ran runs again.",
                RuntimeWarning,
                stacklevel=5,
            )


def _work(work, place):
    study = open_study(*place)
    if work.own_sampler:
        study.sampler.reseed_rng()  # or all processes would draw the same
    work.run(study)


def _in_memory(study, rest):
    """Copy of a study whose journal is about to be removed."""
    copied = open_study(None, *rest)
    copied.add_trials(study.get_trials(deepcopy=False))
    for name, value in study.user_attrs.items():
        copied.set_user_attr(name, value)
    return copied
