"""Several processes that work on one study."""

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool

from skmm.model_selection._optuna.storage import open_study
from skmm.model_selection._optuna.trial_slots import TrialSlots

STARTS = 3  # of all processes, if one of them is killed


def run_processes(worker, location, jobs):
    """Let several processes work on a study in a storage.

    Parameters
    ----------
    worker : Worker
    location : tuple
        Arguments of `open_study`.
    jobs : int
    """
    for start in range(STARTS):
        shown = [worker.verbose and first == 0 for first in range(jobs)]
        tasks = (delayed(_run)(replace(worker, verbose=v), location) for v in shown)
        try:
            Parallel(n_jobs=jobs, prefer="processes")(tasks)
            return
        except BrokenProcessPool as error:
            if start == STARTS - 1:
                raise
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"a process of the search was killed: {reason} Its trials run again.",
                RuntimeWarning,
                stacklevel=3,
            )


def run_in_journal(worker, settings, jobs, study):
    """Let several processes work on a temporary journal; copy it to a study in memory.

    Parameters
    ----------
    worker : Worker
    settings : tuple
        Arguments of `open_study` after the storage.
    jobs : int
    study : Study
        Gets the trials, also after Ctrl-C.
    """
    with tempfile.TemporaryDirectory() as folder:
        location = (str(Path(folder) / "study.log"), *settings)
        journal = open_study(*location)
        try:
            run_processes(worker, location, jobs)
        finally:
            study.add_trials(journal.get_trials(deepcopy=False))
            for name, value in journal.user_attrs.items():
                study.set_user_attr(name, value)


def _run(worker, location):
    study = open_study(*location)
    if worker.own_sampler:
        study.sampler.reseed_rng()  # or all processes would draw the same
    worker.run(TrialSlots(study, worker.n_trials))
