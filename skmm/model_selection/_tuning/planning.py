"""From the parameters of a search to the work of its processes."""

import copy

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv

from skmm._sklearn import num_samples
from skmm.data import ModalityDict
from skmm.model_selection._key import key_of
from skmm.model_selection._tuning.evaluation import Evaluation
from skmm.model_selection._tuning.optional import import_optuna
from skmm.model_selection._tuning.processes import run_processes
from skmm.model_selection._tuning.reporting import comparable, refuse_other_losses
from skmm.model_selection._tuning.storage import claim, open_study, removing_if_empty
from skmm.model_selection._tuning.working import TOGETHER, Work
from skmm.model_selection.replicas import indexable_target, trains_together
from skmm.model_selection.search_space import default_search_space
from skmm.model_selection.splits import FOLDS, pairs_for
from skmm.nn.seeds import base_seed


def evaluation_of(search, X, y, params):
    """Data, splits and scorer of a search, and what fits and scores get.

    Parameters
    ----------
    search : ModalitySearchCV
    X, y : rows and target
    params : dict
        Of its `fit`.
    """
    _refuse_other_lengths(X, params)
    routed = search._get_routed_params_for_fit(params)
    return Evaluation(
        clone(search.estimator),
        X,
        y,
        _splits(search, X, y, **routed.splitter.split),
        check_scoring(search.estimator, search.scoring),
        routed.estimator.fit,
        routed.scorer.score,
        search.return_train_score,
        _metric_of(search),
        _prunes(search),
    )


def _refuse_other_lengths(X, params):
    """Refuse weights and groups that are of more or fewer rows than X."""
    rows = num_samples(X)
    for name in ("sample_weight", "groups"):
        values = params.get(name)
        if values is not None and np.ndim(values) and len(values) != rows:
            raise ValueError(f"{name} has {len(values)} rows, but X has {rows}.")


def _splits(search, X, y, groups=None, **params):
    """Pairs of training and test rows."""
    cv = FOLDS if search.cv is None else search.cv
    classes = is_classifier(search.estimator)
    if params:  # of a splitter that has asked for more
        splitter = check_cv(cv, y, classifier=classes)
        given = params if groups is None else {**params, "groups": groups}
        return list(splitter.split(X, y, **given))
    groups = None if groups is None else np.asarray(groups)
    return pairs_for(cv, classes, X, y, groups, "cv")


def space_of(search):
    """The space that is searched: the user's, or what is worth trying.

    Parameters
    ----------
    search : ModalitySearchCV
    """
    if search.space is not None:
        return search.space
    space = default_search_space(search.estimator)
    return comparable(search.estimator, space) if _prunes(search) else space


def _prunes(search):
    nop = import_optuna().pruners.NopPruner
    return not isinstance(search.pruner, (type(None), nop))


def _metric_of(search):
    """Name of what is searched by, if there are several scores."""
    scoring, refit = search.scoring, search.refit
    if isinstance(scoring, (list, tuple, dict)) and refit not in [*scoring]:
        raise ValueError(
            f"scoring has several metrics, {[*scoring]}: set refit to the one that is "
            f"searched by; got refit={refit!r}."
        )
    return refit if isinstance(refit, str) else None


def run_search(search, evaluation, space, checked):
    """Have trials run until there are as many as the search asks for.

    Parameters
    ----------
    search : ModalitySearchCV
        Gets its attribute `study_`, before the first trial.
    evaluation : Evaluation
    space : dict or list of dict
    checked : Space
    """
    if evaluation.pruned:
        refuse_other_losses(search.estimator, checked)
    key = {} if search.storage is None else _key_of(search, evaluation, checked)
    sampler = copy.deepcopy(search.sampler)
    place = (search.storage, search.study_name, sampler, search.pruner)
    jobs = min(effective_n_jobs(search.n_jobs), search.n_trials)
    work = _work_of(search, evaluation, space, jobs)
    if jobs > 1:
        run_processes(work, place, key, jobs, search)
        return
    search.study_ = open_study(*place)
    claim(search.study_, key)
    with removing_if_empty(search):
        work.run(search.study_)


def _work_of(search, evaluation, space, jobs):
    return Work(
        evaluation,
        space,
        search.n_trials,
        search.timeout,
        search.error_score,
        base_seed(search.random_state),
        search.sampler is not None,
        _together(search, evaluation, jobs),
        bool(search.verbose),
    )


def _together(search, evaluation, jobs):
    """How many trials are trained as one batch."""
    only_weights = {*evaluation.fit_params} <= {"sample_weight"}
    if not search.replicas or evaluation.pruned or not only_weights:
        return 1
    y, rows = indexable_target(evaluation.y), evaluation.splits[0][0]
    try:
        stacks = trains_together(evaluation.estimator, evaluation.X, y, rows)
    except Exception:  # what is searched may mend it, and if not, trials tell
        return 1
    if not stacks:
        return 1
    return min(TOGETHER, max(1, search.n_trials // jobs))


def _key_of(search, evaluation, space):
    """Digests of what a study is of."""
    X = evaluation.X
    if isinstance(X, ModalityDict):
        X = [dict(X), {name: X.present[name] for name in X}]
    return key_of(
        estimator=search.estimator,
        data=[X, evaluation.y, evaluation.fit_params],
        space=space.described(),
        splits=evaluation.splits,
        scoring=[search.scoring, evaluation.metric],
    )
