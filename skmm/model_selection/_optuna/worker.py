"""A process that runs trials of a study and reports their results."""

import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from skmm._random import derive
from skmm.model_selection._optuna.evaluation import Evaluation
from skmm.model_selection.search_space import Space, import_optuna

STUDY_NAME = "ModalitySearchCV"  # of a study that the user does not name
FOLDS, ERROR = "folds", "error"  # attributes of a trial: scores and seconds; message
LOST = "lost"  # attribute of a trial that no process runs any more
PAUSE = 0.2  # seconds between two looks at the trials of other processes


def create_study(storage, name, sampler, pruner):
    """Create a study, or load the one of that name, without logging.

    Parameters
    ----------
    storage : Optuna storage or None
    name : str or None
    sampler : Optuna sampler or None
    pruner : Optuna pruner or None
        None never prunes.
    """
    optuna = import_optuna()
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        return optuna.create_study(
            storage=storage,
            study_name=STUDY_NAME if name is None else name,
            direction="maximize",
            sampler=sampler,
            pruner=optuna.pruners.NopPruner() if pruner is None else pruner,
            load_if_exists=True,
        )
    finally:
        optuna.logging.set_verbosity(level)


def finished_trials(study):
    """Return the trials of a study that have a result."""
    return [trial for trial in study.get_trials(deepcopy=False) if has_result(trial)]


def has_result(trial):
    """Whether a trial has a score, was pruned, or failed with an error of its own."""
    if trial.state.name == "FAIL":
        return ERROR in trial.user_attrs and LOST not in trial.user_attrs
    return trial.state.name in ("COMPLETE", "PRUNED")


def unless_finished():
    """Context in which another process may turn out to have finished a trial."""
    return suppress(import_optuna().exceptions.UpdateFinishedTrialError)


class MemorySlots:
    """Trials of a study in memory, which no other process can take.

    The interface is that of `TrialSlots`.

    Parameters
    ----------
    study : Study
    n_trials : int
    """

    def __init__(self, study, n_trials):
        self.study, self.n_trials = study, n_trials

    def joined(self):
        """Context in which this process runs trials."""
        return nullcontext()

    def running(self, trials):
        """Context in which trials are evaluated."""
        return nullcontext()

    def take(self):
        """Start a trial; None if there are `n_trials`."""
        full = len(self.study.get_trials(deepcopy=False)) >= self.n_trials
        return None if full else self.study.ask()

    def drop(self, trials):
        """Fail trials that have no result."""
        for trial in trials:
            fail = import_optuna().trial.TrialState.FAIL
            self.study.tell(trial.number, state=fail, skip_if_finished=True)

    give_back = drop

    def is_finished(self, trial):
        """Whether another process has finished a trial."""
        return False

    def order_of(self, trial):
        """Return which draw of the study a trial is."""
        return trial.number


@dataclass
class Worker:
    """Settings of a search that every process needs.

    Attributes
    ----------
    evaluation : Evaluation
    space : dict or list of dict
    n_trials : int
    timeout : float or None
        Seconds after which no trial is started.
    error_score : "raise" or float
    seed : int
        For the draws, if the user gave no sampler.
    own_sampler : bool
        Whether the user gave one.
    stack : int
        Number of trials that are trained as one batch.
    verbose : bool
    """

    evaluation: Evaluation
    space: Any
    n_trials: int
    timeout: float | None
    error_score: Any
    seed: int
    own_sampler: bool
    stack: int
    verbose: bool

    def run(self, slots):
        """Run trials until `n_trials` have results, or the time is over.

        Parameters
        ----------
        slots : MemorySlots or TrialSlots
        """
        space, study = Space(self.space), slots.study
        end = np.inf if self.timeout is None else time.monotonic() + self.timeout
        bar = tqdm(total=self.n_trials, unit="trial", disable=not self.verbose)
        with bar, _optimize_loop(study), slots.joined():
            while _show_progress(bar, study) < self.n_trials and not study._stop_flag:
                if time.monotonic() >= end:
                    break
                if not self._run_some(space, slots):
                    time.sleep(PAUSE)  # other processes run the remaining trials

    def _run_some(self, space, slots):
        """Run one trial or one batch of trials; return their number."""
        trials, drawn = [], []
        try:
            while len(trials) < self.stack and (trial := slots.take()) is not None:
                trials.append(trial)
                with unless_finished():
                    drawn.append((trial, self._draw(slots, trial, space)))
            if drawn:
                self._evaluate(slots, *zip(*drawn, strict=True))
        except Exception:
            slots.drop(trials)
            raise
        except BaseException:  # Ctrl-C: they run again when the search is resumed
            slots.give_back(trials)
            raise
        return len(trials)

    def _draw(self, slots, trial, space):
        """Draw with a seed by the order of trials: no two processes draw the same."""
        if not self.own_sampler:
            seed = derive(self.seed, "trial", slots.order_of(trial)) % 2**32
            slots.study.sampler = import_optuna().samplers.TPESampler(seed=seed)
        return space.suggest(trial)

    def _evaluate(self, slots, trials, params):
        with slots.running(trials):
            if len(trials) > 1:
                results = self.evaluation.stacked(trials, params)
            else:
                results = [self.evaluation.fold_by_fold(trials[0], params[0])]
        ordered = sorted(
            zip(trials, results, strict=True), key=lambda t: bool(t[1].error)
        )
        for trial, result in ordered:  # an error that is raised comes last
            if not slots.is_finished(trial):  # by another process that took it over
                self._tell(slots, trial, result)

    def _tell(self, slots, trial, result):
        value = self.evaluation.value_of(result)
        if result.error is None and not result.pruned and not np.isfinite(value):
            result.cause = ValueError(f"a score is {value}")
            result.error = f"ValueError: {result.cause}"
        if result.error is not None and self._ends_search(slots, result):
            result.cause.add_note(f"In trial {trial.number}, with {trial.params}.")
            raise result.cause
        with unless_finished():
            self._store(slots.study, trial, result, value)

    def _ends_search(self, slots, result):
        """Whether to raise an error: on demand, or if no parameter in space causes it.

        The latter is tested with the first trial that finishes.
        """
        if self.error_score == "raise":
            return True
        return not finished_trials(slots.study) and self.evaluation.fails_as_given(
            result
        )

    def _store(self, study, trial, result, value):
        states = import_optuna().trial.TrialState
        trial.set_user_attr(FOLDS, result.folds)
        if result.error is not None:
            trial.set_user_attr(ERROR, result.error)
            has_value = np.isfinite(self.error_score)
            state = states.COMPLETE if has_value else states.FAIL
            value = float(self.error_score) if has_value else None
        else:
            state = states.PRUNED if result.pruned else states.COMPLETE
            value = None if result.pruned else value
        study.tell(trial, value, state=state, skip_if_finished=True)


@contextmanager
def _optimize_loop(study):
    """Let samplers and storages stop the study, like ``study.optimize``."""
    study._thread_local.in_optimize_loop, study._stop_flag = True, False
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = False


def _show_progress(bar, study):
    """Advance the bar to the number of finished trials, and return it."""
    done = len(finished_trials(study))
    bar.update(done - bar.n)
    return done
