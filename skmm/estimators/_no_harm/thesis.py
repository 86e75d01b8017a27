"""``guarantee=None``: one net with the no-harm factor, trained as in the thesis."""

import numpy as np

from skmm._random import derive, seeded
from skmm.base.fit_many import fit_together
from skmm.estimators._no_harm.crossfit import FEWEST, Cell, CrossFit
from skmm.nn import ConcatFusion, MLPHead, NoHarmFusion
from skmm.nn.assemble import assemble, complete
from skmm.nn.fusion.no_harm import fixed_weights, kept_weights
from skmm.training import RecordFusionWeights, Stage
from skmm.training.optimizers import has_one_rate

FACTOR_RATE = 0.01  # at least: an optimizer moves a factor by about its rate per step


def fit_thesis(owner, X, y, weight, groups):
    """Train single nets, join them by the factor, and train what is not frozen."""
    if groups is not None:
        raise ValueError("groups have no meaning with guarantee=None.")
    alone = X.shape[1] == 1
    stages = None if alone else stages_of(owner.training or "freeze_all", list(X))
    nets = CrossFit(owner._face(), [Cell(np.arange(len(X)), _seed(owner))])
    cell = nets.cells[0]
    _refuse_absent(X)
    if not alone:
        _refuse_misfit(owner, nets.face, list(X))
    nets.prepare(y, weight)
    owner.prior_ = cell.prior
    for name in nets.face.progress(X):
        nets.fit_singles(name, X, y, weight)
    cell.order = sorted(cell.singles, key=lambda name: best_loss(cell.singles[name]))
    if not alone:
        cell.fused = _fused(owner, nets.face, cell, stages)
        valid = [nets.valid[0]]
        fit_together([cell.fused], [(X, y, weight)], valid=valid)
        cell.fused.callbacks = None  # which could not be saved
        cell.corrects = False
    owner._keep(nets)
    owner.unimodal_ = {name: models[0] for name, models in owner.unimodal_.items()}
    _conclude(owner, cell, X)


def stages_of(training, names):
    """Stages of a training method: "freeze_all", "freeze_<modality>", "end_to_end".

    Parameters
    ----------
    training : str
    names : list of str
        Modalities.

    Returns
    -------
    list of Stage, or None
    """
    frozen = {f"freeze_{name}": name for name in names}
    options = ["freeze_all", "end_to_end", *frozen]
    if training not in options:
        raise ValueError(f"training={training!r} is not known; choose of {options}.")
    if training == "end_to_end":
        return None
    kept = names if training == "freeze_all" else [frozen[training]]
    learning = [f"encoders__{name}" for name in names if name not in kept]
    return [Stage([*learning, "fusion", "head"])]


def _fused(owner, face, cell, stages):
    """The fused net: from the single ones, or from scratch if nothing is frozen."""
    encoders, head = {n: face.encoder(n) for n in cell.singles}, owner.head
    if stages is not None:
        best = cell.singles[cell.order[0]]
        encoders = {name: model.encoders_[name] for name, model in cell.singles.items()}
        head = best.net_.module_.head
    rates = {"encoders": owner.lr, "head": owner.lr}
    rates["fusion"] = max(owner.lr, FACTOR_RATE)
    return face.estimator(
        encoders,
        cell.seed,
        fusion=NoHarmFusion(_factor(owner), kind=owner.kind or "arithmetic"),
        head=head,
        stages=stages,
        lr=owner.lr if has_one_rate(owner.optimizer) else rates,
        callbacks=[RecordFusionWeights()],
    )


def _factor(owner):
    """The factor; of weights for all modalities of X, those in use."""
    factor, used = owner.factor, list(owner.modalities_in_)
    known = list(getattr(owner, "feature_names_in_", used))
    if isinstance(factor, (tuple, list)) and len(factor) != len(used):
        _refuse_other_number(factor, known, used)
        return kept_weights(factor, known, used)
    return "scalar" if factor is None else factor


def _refuse_other_number(factor, known, used):
    if len(factor) != len(known):
        raise ValueError(
            f"factor={factor!r} needs one weight for each of the {len(used)} "
            f"modalities {used}; got {len(factor)}. Give {len(used)} numbers, or "
            'factor="scalar" to learn them. If `restrict` has left modalities out, in '
            "a Pipeline that selects before this step, whose weight is whose cannot be "
            "told: set modalities= to all names, in the order of the weights, before "
            "restricting."
        )


def _seed(owner):
    return derive(owner._seed, "fold", 0, 0) % 2**32


def _refuse_absent(X):
    absent = [name for name, there in X.present.items() if there.sum() < FEWEST]
    if absent:
        raise ValueError(
            f"modalities {absent} are missing in nearly every row: leave them out, or "
            'use guarantee="crossfit", which reports them.'
        )


def _refuse_misfit(owner, face, names):
    """Refuse a factor or encoders that cannot be joined, before any net is trained."""
    fixed_weights(_factor(owner), names)
    widths = _embedding_widths(owner, face, names)
    if len(set(widths.values())) > 1:
        raise ValueError(
            "encoders: guarantee=None averages embeddings, which must have one width; "
            f"got {widths}. Give the encoders one width, as MLPEncoder((64,)) for "
            "each, or use FusionClassifier or FusionRegressor with fusion="
            "NoHarmFusion(width=64), which adds a linear map per modality."
        )


def _embedding_widths(owner, face, names):
    """Widths of the encoders, each built once."""
    shapes = owner.shapes_in_
    encoders = complete({name: face.encoder(name) for name in names}, shapes)
    with seeded(0):
        return assemble(encoders, ConcatFusion(), MLPHead(), shapes, 1).widths


def best_loss(model):
    """Loss of the weights that were kept: on rows set aside, else in training."""
    column = "valid_loss" if model.early_stopping else "train_loss"
    losses = [row[column] for row in model.net_.history]
    loss = min(losses) if model.early_stopping else losses[-1]
    return loss * np.mean(getattr(model._target, "scale", 1.0) ** 2)  # in units of y


def _conclude(owner, cell, X):
    """Note the factor, how far the fused net is used, and how it compares."""
    owner.ranking_, owner.best_modality_ = cell.order, cell.order[0]
    owner.weight_ = owner._largest_weight() if cell.fused is not None else 0.0
    owner.incomplete_weight_, owner.lower_bound_ = owner.weight_, float("nan")
    owner.modality_weights_ = {owner.best_modality_: 1.0}
    models = dict(cell.singles)
    if cell.fused is not None:
        models["fused"] = cell.fused
        _note_factor(owner, cell.fused.net_.module_.fusion.weights().cpu())
    losses = {name: best_loss(model) for name, model in models.items()}
    least = losses[owner.best_modality_]
    lacking = {name: int((~mask).sum()) for name, mask in X.present.items()}
    owner._report = [
        {
            "model": name,
            "loss": loss,
            "gain": least - loss,
            **dict.fromkeys(("standard_error", "lower", "upper"), float("nan")),
            "rows_without": lacking.get(name, 0),
        }
        for name, loss in losses.items()
    ]


def _note_factor(owner, weights):
    """`lambda_`: of the second of two modalities, else of all."""
    names, mean = owner.modalities_in_, weights.reshape(len(weights), -1).mean(1)
    owner.modality_weights_ = dict(zip(names, mean.tolist(), strict=True))
    factor = weights[1] if len(names) == 2 else weights
    owner.lambda_ = float(factor) if factor.ndim == 0 else factor.numpy()
