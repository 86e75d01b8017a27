"""``guarantee=None``: one net with the no-harm factor λ, trained as in the thesis.

"The thesis" is Liu, "Multi-modal deep learning", 2022; its section 3.2.3 averages the
embeddings of the modalities with a weight λ that is learnt with the net.
"""

from dataclasses import replace

import numpy as np

from skmm._random import seeded
from skmm.base.fit_many import fit_many
from skmm.base.validation_split import validation_indices
from skmm.estimators.no_harm.crossfit import FUSED, MIN_SAMPLES, CrossFit, make_folds
from skmm.nn import ConcatFusion, MLPHead, NoHarmFusion
from skmm.nn.assemble import assemble, complete
from skmm.nn.fusion.no_harm import fixed_weights, kept_weights
from skmm.training import RecordFusionWeights, Stage
from skmm.training.optimizers import has_one_rate

MIN_FACTOR_LR = 0.01  # an optimizer moves λ by about its learning rate per step
WIDTHS = ("__hidden", "__width", "__filters")  # of encoders, which must be equal
UNKNOWN = dict.fromkeys(("standard_error", "lower", "upper"), float("nan"))


def fit_thesis(params, task, samples, seed):
    """Train single nets, join them by the factor, and train what is not frozen.

    Parameters
    ----------
    params : estimator
        Only its parameters, and what it has read of X, are read.
    task : Task
    samples : Samples
    seed : int

    Returns
    -------
    dict
        Fitted attributes.
    """
    if samples.groups is not None and not params.early_stopping:
        raise ValueError(
            "groups must be None with guarantee=None and early_stopping=False, which "
            'hold out no samples; use guarantee="crossfit" or "holdout" with groups.'
        )
    every, names, stages = list(samples.X), _able(samples.X), None
    if len(every) > 1:
        stages = stages_of(params.training or "freeze_all", every, names)
        _check_can_be_joined(params, task, every)
    X = samples.X.select(names)
    samples = replace(samples, X=X)
    nets = _fit_singles(task, samples, seed)
    fold = nets.folds[0]
    if len(names) > 1:
        net = _fused_net(params, task, fold, names, stages)
        fold.fused, fold.corrects = net, False
        data, mask = (X, samples.y, samples.weight), fold.validation
        fit_many([fold.fused], [data], valid=[mask])
        fold.fused.callbacks = None  # callbacks cannot be saved
    fitted = nets.attributes(names)
    fitted["unimodal_"] = {n: models[0] for n, models in fitted["unimodal_"].items()}
    return fitted | _results(task, fold, samples)


def _fit_singles(task, samples, seed):
    """Fit the net of each modality, on all samples."""
    rows = np.arange(len(samples.X))
    folds, _ = make_folds([(rows, rows[:0])], 1, seed)
    nets = CrossFit(task, folds)
    nets.prepare(samples)
    for name in task.progress(samples.X):
        nets.fit_singles(name, samples)
    losses = losses_of(task, folds[0], samples)
    folds[0].order = sorted(losses, key=losses.get)
    return nets


def stages_of(training, names, able=None):
    """Stages of a training method: "freeze_all", "freeze_<modality>", "end_to_end".

    Parameters
    ----------
    training : str
    names : list of str
        Modalities.
    able : list of str, optional
        Those that can be trained; None is all.

    Returns
    -------
    list of Stage, or None
    """
    frozen = {f"freeze_{name}": name for name in names}
    options = ["freeze_all", "end_to_end", *frozen]
    if training not in options:
        raise ValueError(f"training must be one of {options}; got {training!r}.")
    if training == "end_to_end":
        return None
    kept = names if training == "freeze_all" else [frozen[training]]
    able = names if able is None else able
    learning = [f"encoders__{name}" for name in able if name not in kept]
    return [Stage([*learning, "fusion", "head"])]


def _fused_net(params, task, fold, names, stages):
    """The fused net: from the single nets, or from scratch if nothing is frozen."""
    encoders, head = {n: task.encoder(n) for n in fold.singles}, params.head
    if stages is not None:
        best = fold.singles[fold.order[0]]
        encoders = {name: model.encoders_[name] for name, model in fold.singles.items()}
        head = best.net_.module_.head
    lr = {"encoders": params.lr, "head": params.lr}
    lr["fusion"] = max(params.lr, MIN_FACTOR_LR)
    return task.make_net(
        encoders,
        fold.seed,
        fusion=NoHarmFusion(_factor(params, names), kind=params.kind or "arithmetic"),
        head=head,
        stages=stages,
        lr=params.lr if has_one_rate(params.optimizer) else lr,
        callbacks=[RecordFusionWeights()],
    )


def _factor(params, names):
    """The factor; if it has a weight for each modality of X, of those that are used."""
    factor = _factor_in_use(params)
    if isinstance(factor, (tuple, list)) and len(names) < len(params.modalities_in_):
        return kept_weights(factor, list(params.modalities_in_), names)
    return factor


def _factor_in_use(params):
    factor, used = params.factor, list(params.modalities_in_)
    known = list(getattr(params, "feature_names_in_", used))
    if isinstance(factor, (tuple, list)) and len(factor) != len(used):
        _check_length(factor, known, used)
        return kept_weights(factor, known, used)
    return "scalar" if factor is None else factor


def _check_length(factor, known, used):
    if len(factor) != len(known):
        raise ValueError(
            f"factor={factor!r} must have one weight for each of the {len(used)} "
            f"modalities {used}; got {len(factor)}. Give {len(used)} numbers, or "
            'factor="scalar" to learn them. If `restrict` left modalities out in a '
            "Pipeline that selects modalities before this step, the weights cannot be "
            "matched: set modalities= to all names, in the order of the weights, "
            "before restricting."
        )


def _able(X):
    """The modalities with enough samples for a net."""
    names = [n for n, mask in X.present.items() if mask.sum() >= MIN_SAMPLES]
    if not names:
        raise ValueError(
            f"every modality of X, {list(X)}, is missing in nearly every sample; at "
            f"least {MIN_SAMPLES} samples must have one of them."
        )
    return names


def _check_can_be_joined(params, task, names):
    """Check the factor and the encoders before any net is trained."""
    fixed_weights(_factor(params, names), names)
    widths = _embedding_widths(task, names, params.shapes_in_)
    if len(set(widths.values())) > 1:
        raise ValueError(
            "encoders must have one output width with guarantee=None, which averages "
            f"embeddings; got {widths}. Give the encoders one width, such as "
            "MLPEncoder((64,)) for each, or use FusionClassifier or FusionRegressor "
            "with fusion=NoHarmFusion(width=64), which adds a linear map per modality."
        )


def _embedding_widths(task, names, shapes):
    """Output widths of the encoders, which are built for this."""
    encoders = complete({name: task.encoder(name) for name in names}, shapes)
    with seeded(0):
        return assemble(encoders, ConcatFusion(), MLPHead(), shapes, 1).widths


def losses_of(task, fold, samples):
    """Loss of each net, of its kept weights, in units of y.

    It is the validation loss, or without early stopping the training loss.

    Parameters
    ----------
    task : Task
    fold : FoldModels
    samples : Samples

    Returns
    -------
    dict of str to float
    """
    present = samples.X.present
    losses = {
        name: _loss(task, model, samples, fold, np.flatnonzero(present[name]))
        for name, model in fold.singles.items()
    }
    if fold.fused is not None:
        every = np.arange(len(samples.X))
        losses[FUSED] = _loss(task, fold.fused, samples, fold, every)
    return losses


def _loss(task, model, samples, fold, rows):
    scale = np.atleast_1d(getattr(model._target, "scale", 1.0))
    if np.ptp(scale) > 0:  # the loss in training weights the targets differently
        return _loss_in_units(task, model, samples, fold, rows)
    losses = [row[_column(model)] for row in model.net_.history]
    return (min(losses) if model.early_stopping else losses[-1]) * scale[0] ** 2


def _column(model):
    return "valid_loss" if model.early_stopping else "train_loss"


def _loss_in_units(task, model, samples, fold, rows):
    if model.early_stopping:
        y, mask = samples.y[rows], fold.validation[rows]
        rows = rows[validation_indices(model, y, mask)[1]]
    held = samples.take(rows)
    weight = task.evidence_weight(held.y, held.weight)
    X = held.X.select(list(model.modalities_in_))
    found = task.loss_of(held.y)(task.predict(model, X))
    return float(np.average(found, weights=weight))


def _results(task, fold, samples):
    """Fitted attributes: ranking, factor and losses."""
    X, losses = samples.X, losses_of(task, fold, samples)
    best = fold.order[0]
    weight, factor = 0.0, {"modality_weights_": {best: 1.0}}
    if fold.fused is not None:
        weight = task.largest_weight()
        weights = fold.fused.net_.module_.fusion.weights().cpu()
        factor = _factor_attributes(list(X), weights)
    return factor | {
        "prior_": fold.prior,
        "ranking_": fold.order,
        "best_modality_": best,
        "weight_": weight,
        "incomplete_weight_": weight,
        "lower_bound_": float("nan"),
        "_report": _report(losses, best, X),
    }


def _report(losses, best, X):
    missing = {name: int((~mask).sum()) for name, mask in X.present.items()}
    return [
        {"model": name, "loss": loss, "gain": losses[best] - loss, **UNKNOWN}
        | {"rows_without": missing.get(name, 0)}
        for name, loss in losses.items()
    ]


def _factor_attributes(names, weights):
    """`modality_weights_`, and `lambda_`: the second of two weights, or else all."""
    mean = weights.reshape(len(weights), -1).mean(1)
    factor = weights[1] if len(names) == 2 else weights
    return {
        "modality_weights_": dict(zip(names, mean.tolist(), strict=True)),
        "lambda_": float(factor) if factor.ndim == 0 else factor.numpy(),
    }


def factor_space(params):
    """What is searched of the factor: nothing if it is fixed, or with a guarantee.

    Parameters
    ----------
    params : estimator
    """
    if params.guarantee is not None:
        return {}
    space = {"kind": ["arithmetic", "geometric"]}
    if params.factor is None or isinstance(params.factor, str):
        space["factor"] = ["scalar", "vector"]
    return space


def of_equal_widths(params, space):
    """Leave the widths of several encoders out of a search space: they must be equal.

    Parameters
    ----------
    params : estimator
    space : dict
    """
    if params.guarantee is not None or not isinstance(params.encoders, dict):
        return space
    return {
        name: values
        for name, values in space.items()
        if not (name.startswith("encoders__") and name.endswith(WIDTHS))
    }
