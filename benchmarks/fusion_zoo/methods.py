"""Every fusion, on equal terms: encoders, linear head, rows and rates are the same."""

import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.metrics import log_loss

from benchmarks.fusion_zoo.data import CLAIMED, PROBLEMS
from skmm import FusionClassifier, LateFusionClassifier, restrict
from skmm.inspection import emap
from skmm.nn import (
    AttentionFusion,
    BilinearFusion,
    ConcatFusion,
    CrossAttentionFusion,
    ExpertFusion,
    GatedFusion,
    HierarchicalFusion,
    HighwayFusion,
    LowRankTensorFusion,
    LpNormFusion,
    MaxFusion,
    MeanFusion,
    MLPEncoder,
    MLPHead,
    ModalityShiftFusion,
    NoHarmFusion,
    ProductFusion,
    SelfAttentionFusion,
    SumFusion,
    TensorFusion,
    TransformerFusion,
)

WIDTH = 32
FUSIONS = {
    "sum": SumFusion(),
    "mean": MeanFusion(),
    "concat": ConcatFusion(),
    "concat, MLP": ConcatFusion((64,)),
    "no-harm factor": NoHarmFusion("vector"),
    "lp norm": LpNormFusion(),
    "self-attention": SelfAttentionFusion(WIDTH),
    "cross-attention": CrossAttentionFusion(WIDTH),
    "product": ProductFusion(),
    "max": MaxFusion(),
    "attention": AttentionFusion(),
    "bilinear": BilinearFusion(),
    "bilinear, vector": BilinearFusion("vector"),
    "tensor": TensorFusion(width=8),
    "low-rank tensor": LowRankTensorFusion(),
    "lp norm, products": LpNormFusion(interactions=2, width=8),
    "gated": GatedFusion(),
    "highway": HighwayFusion(),
    "experts": ExpertFusion((WIDTH,)),
    "modality shift": ModalityShiftFusion(dropout=0.0),
    "hierarchical": HierarchicalFusion((WIDTH, WIDTH)),
    "transformer": TransformerFusion(WIDTH),
}
ADDITIVE = {"sum", "mean", "concat", "no-harm factor", "lp norm"}
ADDITIVE |= {"self-attention", "cross-attention", "late average"}
SOLVES_XOR = ("bilinear", "tensor", "low-rank tensor", "concat, MLP", "transformer")
OF_TWO = {"bilinear", "bilinear, vector"}
SINGLE = "single: "
EMAP_ROWS = {2: 200, 3: 60}
SETTINGS = {"lr": 3e-3, "batch_size": 64, "early_stopping": True, "patience": 10}


def estimator(fusion, seed, max_epochs):
    """A net with this fusion; the fusion may bring its own head."""
    head = None if isinstance(fusion, LpNormFusion) else MLPHead(())
    return FusionClassifier(
        MLPEncoder((WIDTH,)),
        fusion=fusion,
        head=head,
        max_epochs=max_epochs,
        random_state=seed,
        **SETTINGS,
    )


def models_of(names, seed, max_epochs):
    """``{method: estimator}`` for the modalities of a problem."""
    models = {
        method: estimator(fusion, seed, max_epochs)
        for method, fusion in FUSIONS.items()
        if len(names) == 2 or method not in OF_TWO
    }
    plain = models["concat"]
    models |= {f"{SINGLE}{name}": restrict(plain, [name]) for name in names}
    models["late average"] = LateFusionClassifier(plain)
    return models


def run(problem, seed):
    """Results of all methods on one problem and seed."""
    data = (CLAIMED | PROBLEMS)[problem]
    train, test = data.split(seed)
    models = models_of(list(train[0]), seed, data.max_epochs)
    if problem not in PROBLEMS:
        claimed = ADDITIVE | set(SOLVES_XOR)
        models = {name: model for name, model in models.items() if name in claimed}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "modality .* has samples", UserWarning)
        warm_up(models, train)
        return [
            {"configuration": problem, "seed": seed, "method": method}
            | judged(model, train, test, seed)
            for method, model in models.items()
        ]


def warm_up(models, train):
    """Fit each net for an epoch: what torch loads at its first use is not timed."""
    for model in models.values():
        if isinstance(model, FusionClassifier):
            clone(model).set_params(max_epochs=1).fit(*train)


def judged(model, train, test, seed):
    """Losses, cost and share of interactions of one model."""
    begun = time.process_time()
    model.fit(*train)
    seconds = time.process_time() - begun
    losses = [log_loss(y, model.predict_proba(X)) for X, y in (train, test)]
    found = {"train": losses[0], "loss": losses[1], "error": 1 - model.score(*test)}
    if hasattr(model, "net_"):
        module = model.net_.module_
        found["parameters"] = sum(p.numel() for p in module.parameters())
        found["seconds_per_epoch"] = seconds / len(model.history_)
    if len(model.modalities_in_) > 1:
        rows = np.random.default_rng(seed).permutation(len(test[1]))
        some = rows[: EMAP_ROWS[len(model.modalities_in_)]]
        found["interactions"] = float(emap(model, test[0][some]).interaction_share)
    return found
