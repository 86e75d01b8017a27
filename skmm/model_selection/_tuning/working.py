"""The work of one process on a study: take a trial, evaluate it, tell the study."""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from skmm._random import derive
from skmm.model_selection._tuning.alive import Beating, taking_part
from skmm.model_selection._tuning.evaluation import Evaluation
from skmm.model_selection._tuning.optional import import_optuna
from skmm.model_selection._tuning.places import ERROR, Places, unless_finished
from skmm.model_selection._tuning.spaces import Space

FOLDS = "folds"  # attribute of a trial: its scores and seconds
TOGETHER = 10  # trials that are trained as one batch
PAUSE = 0.2  # seconds between looks at what others do


@dataclass
class Work:
    """What a process needs to know to work on a study.

    Attributes
    ----------
    evaluation : Evaluation
    space : dict or list of dict
    n_trials : int
    seconds : float or None
        After which no trial is started.
    error_score : "raise" or float
    seed : int
        Of the draws, if the study has no sampler of the user's own.
    own_sampler : bool
    together : int
        Trials to be trained as one batch.
    verbose : bool
    """

    evaluation: Evaluation
    space: Any
    n_trials: int
    seconds: float | None
    error_score: Any
    seed: int
    own_sampler: bool
    together: int
    verbose: bool

    def run(self, study):
        """Work until all places of the study have results, or time is over."""
        space, places = Space(self.space), Places(study, self.n_trials)
        end = np.inf if self.seconds is None else time.monotonic() + self.seconds
        bar = tqdm(total=self.n_trials, unit="trial", disable=not self.verbose)
        with bar, _looping(study), taking_part(places.worker):
            while _show(bar, places) < self.n_trials and not study._stop_flag:
                if time.monotonic() >= end:
                    break
                if not self._some(space, places):
                    time.sleep(PAUSE)  # others run what is left

    def _some(self, space, places):
        """Take trials and finish them; returns how many there were."""
        trials, drawn = [], []
        try:
            while len(trials) < self.together and (trial := places.take()) is not None:
                trials.append(trial)
                with unless_finished():
                    drawn.append((trial, self._drawn(places, trial, space)))
            if drawn:
                self._finish(places, *zip(*drawn, strict=True))
        except BaseException as error:
            if isinstance(error, Exception):
                places.drop(trials)
            else:  # Ctrl-C: they run again when the search goes on
                places.give_back(trials)
            raise
        return len(trials)

    def _drawn(self, places, trial, space):
        """Draw by the order of trials: no two processes draw the same."""
        if not self.own_sampler:
            seed = derive(self.seed, "trial", places.order_of(trial)) % 2**32
            places.study.sampler = import_optuna().samplers.TPESampler(seed=seed)
        return space.suggest(trial)

    def _finish(self, places, trials, params):
        with Beating(trials):
            if len(trials) > 1:
                results = self.evaluation.together(trials, params)
            else:
                results = [self.evaluation.alone(trials[0], params[0])]
        told = sorted(zip(trials, results, strict=True), key=lambda t: bool(t[1].error))
        for trial, result in told:  # an error that is raised comes last
            self._tell(places, trial, result)

    def _tell(self, places, trial, result):
        if places.is_finished(trial):  # it was thought dead, and has run elsewhere
            return
        value = self.evaluation.value_of(result)
        if result.error is None and not result.pruned and not np.isfinite(value):
            result.cause = ValueError(f"a score is {value}")
            result.error = f"ValueError: {result.cause}"
        if result.error is not None and self._ends_all(places, result):
            result.cause.add_note(f"In trial {trial.number}, with {trial.params}.")
            raise result.cause
        with unless_finished():
            self._store(places.study, trial, result, value)

    def _ends_all(self, places, result):
        """Whether an error is raised: on demand, or as it is not of what is searched.

        Whether it is not is asked of the trial that is finished first.
        """
        if self.error_score == "raise":
            return True
        return not places.finished() and self.evaluation.fails_as_given(result)

    def _store(self, study, trial, result, value):
        states = import_optuna().trial.TrialState
        trial.set_user_attr(FOLDS, result.folds)
        if result.error is not None:
            trial.set_user_attr(ERROR, result.error)
            failed = np.isfinite(self.error_score)
            state = states.COMPLETE if failed else states.FAIL
            value = float(self.error_score) if failed else None
        else:
            state = states.PRUNED if result.pruned else states.COMPLETE
            value = None if result.pruned else value
        study.tell(trial, value, state=state, skip_if_finished=True)


@contextmanager
def _looping(study):
    """Be to samplers and storages what ``study.optimize`` is: they may stop it."""
    study._thread_local.in_optimize_loop, study._stop_flag = True, False
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = False


def _show(bar, places):
    """Advance the bar to the number of finished trials of the study, and return it."""
    done = len(places.finished())
    bar.update(done - bar.n)
    return done
