"""From the parameters of a search to a study, and a call that runs its trials."""

import copy
from functools import partial

from joblib import effective_n_jobs

from skmm._random import base_seed
from skmm.data import ModalityDict
from skmm.model_selection._key import key_of
from skmm.model_selection._optuna.processes import run_in_journal, run_processes
from skmm.model_selection._optuna.pruning import check_comparable_losses
from skmm.model_selection._optuna.storage import check_shared, claim, open_study
from skmm.model_selection._optuna.trial_slots import TrialSlots
from skmm.model_selection._optuna.worker import MemorySlots, Worker, create_study
from skmm.model_selection.replicas import indexable_target, trains_together

STACK = 10  # trials that are trained as one batch


def prepare_study(search, evaluation, space, checked):
    """Return the study of a search, and a call without arguments that runs it.

    Parameters
    ----------
    search : ModalitySearchCV
    evaluation : Evaluation
    space : dict or list of dict
    checked : Space
    """
    if evaluation.prunes:
        check_comparable_losses(search.estimator, checked)
    jobs = min(effective_n_jobs(search.n_jobs), search.n_trials)
    settings = search.study_name, copy.deepcopy(search.sampler), search.pruner
    worker = Worker(
        evaluation,
        space,
        n_trials=search.n_trials,
        timeout=search.timeout,
        error_score=search.error_score,
        seed=base_seed(search.random_state),
        own_sampler=search.sampler is not None,
        stack=_trials_per_batch(search, evaluation, jobs),
        verbose=bool(search.verbose),
    )
    if search.storage is not None:
        return _in_storage(search, evaluation, checked, worker, settings, jobs)
    study = create_study(None, *settings)
    if jobs > 1:
        return study, partial(run_in_journal, worker, settings, jobs, study)
    return study, partial(worker.run, MemorySlots(study, search.n_trials))


def _in_storage(search, evaluation, space, worker, settings, jobs):
    if jobs > 1:
        check_shared(search.storage)
    study = open_study(search.storage, *settings)
    claim(study, _key(search, evaluation, space))
    if jobs > 1:
        location = (search.storage, *settings)
        return study, partial(run_processes, worker, location, jobs)
    return study, partial(worker.run, TrialSlots(study, search.n_trials))


def _key(search, evaluation, space):
    """Return digests that identify what a study searches."""
    X = evaluation.X
    if isinstance(X, ModalityDict):
        X = [dict(X), {name: X.present[name] for name in X}]
    return key_of(
        estimator=search.estimator,
        data=[X, evaluation.y, evaluation.params_of(search.estimator)],
        space=space.described(),
        splits=evaluation.splits,
        scoring=[search.scoring, evaluation.metric],
    )


def _trials_per_batch(search, evaluation, jobs):
    only_weights = {*evaluation.fit_params} <= {"sample_weight", "groups"}
    if not search.replicas or evaluation.prunes or not only_weights:
        return 1
    y, rows = indexable_target(evaluation.y), evaluation.splits[0][0]
    try:
        data = (evaluation.X, y, rows, evaluation.groups_in_fits())
        stacks = trains_together(evaluation.estimator, *data)
    except Exception:  # the space may correct it; if not, the trials raise it
        return 1
    return min(STACK, max(1, search.n_trials // jobs)) if stacks else 1
