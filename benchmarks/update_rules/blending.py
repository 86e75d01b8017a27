"""Losses weighed by how they generalise, against the plain ways to train."""

import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from benchmarks.common import row
from benchmarks.fusion_zoo.data import PROBLEMS as REAL
from skmm import (
    FusionClassifier,
    GradientBlendingClassifier,
    LateFusionClassifier,
    ModalityDict,
    restrict,
)
from skmm.inspection import overfitting_to_generalization_ratio
from skmm.nn import MLPEncoder

GENERATED = "small and large"
OF_FILES = ("biodegradation", "digits, eye and ear")
ENCODER = MLPEncoder((64,))
SETTINGS = {"batch_size": 64, "max_epochs": 40, "validation_fraction": 0.2}
SETTINGS |= {"gradient_clip": None}  # blending alone has another default
RATES = {"adam": 3e-3, "sgd": 0.1}
ASIDE = ("blending, offline", "blending, online")
SINGLE = "single: "


def small_and_large(seed, train=400, test=3000):
    """Two of four numbers tell the class; twenty of two hundred do so weakly."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=train + test)
    small, large = (rng.normal(size=(len(y), width)) for width in (4, 200))
    sign = 2 * y[:, None] - 1
    small[:, :2] += 0.7 * sign
    large[:, :20] += 0.1 * sign
    X = ModalityDict(small=small, large=large)
    return (X[:train], y[:train]), (X[train:], y[train:])


def configurations(quick, available):
    """Names of what is run: problem, optimizer."""
    problems = [GENERATED] if quick else [GENERATED, *available(OF_FILES)]
    return [f"{problem}; {optimizer}" for problem in problems for optimizer in RATES]


def run(configuration, seed):
    """Results of all methods, with all epochs and stopped early."""
    problem, optimizer = configuration.split("; ")
    split = small_and_large if problem == GENERATED else REAL[problem].split
    train, test = split(seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "modality .* has samples", UserWarning)
        return [
            {"method": method + ", stopped early" * stopped}
            | judged(method, model, train, test)
            for stopped in (False, True)
            for method, model in models_of(optimizer, stopped, seed, train[0]).items()
            if not (stopped and method == "equal weights")
        ]


def models_of(optimizer, stopped, seed, names):
    """``{method: estimator}``."""
    settings = SETTINGS | {"optimizer": optimizer, "lr": RATES[optimizer]}
    settings |= {"early_stopping": stopped, "random_state": seed}
    joint = FusionClassifier(ENCODER, **settings)
    blend = GradientBlendingClassifier(ENCODER, super_epoch=10, **settings)
    return {
        "joint": joint,
        "equal weights": blend,
        "blending, offline": blend,
        "blending, online": GradientBlendingClassifier(
            **blend.get_params(deep=False) | {"mode": "online"}
        ),
        "late average": LateFusionClassifier(joint),
        **{f"{SINGLE}{name}": restrict(joint, [name]) for name in names},
    }


def judged(method, model, train, test):
    """Losses, over-fitting per gain, and weights of one model."""
    model = trained(method, model, *train)
    losses = [log_loss(y, model.predict_proba(X)) for X, y in (train, test)]
    ratio = ratio_of(train[1], test[1], losses)
    found = {"train": losses[0], "loss": losses[1], "accuracy": model.score(*test)}
    weights = getattr(model, "blending_weights_", {})
    return found | {"ratio": ratio} | {f"w: {n}": w for n, w in weights.items()}


def trained(method, model, X, y):
    """A fitted model; with equal weights no rows but those of the others are learnt."""
    if method != "equal weights":
        return model.fit(X, y)
    share, seed = SETTINGS["validation_fraction"], model.random_state
    rows, _ = train_test_split(
        np.arange(len(y)), test_size=share, stratify=y, random_state=seed
    )
    for _ in range(SETTINGS["max_epochs"]):
        model.partial_fit(X[rows], y[rows], classes=np.unique(y))
    return model


def ratio_of(y, y_test, losses):
    """Over-fitting to gain, from knowing shares of classes to the end of training."""
    classes, counts = np.unique(y, return_counts=True)
    shares = counts / counts.sum()
    start = [
        log_loss(some, np.tile(shares, (len(some), 1)), labels=classes)
        for some in (y, y_test)
    ]
    pairs = zip(start, losses, strict=True)
    return overfitting_to_generalization_ratio(*map(list, pairs)).ratio


def frame_of(results):
    """One row per problem, optimizer, seed and method; singles as the best of them."""
    frame = pd.DataFrame(results)
    parts = frame.configuration.str.split("; ", expand=True)
    frame.insert(0, "problem", parts[0])
    frame.insert(1, "optimizer", parts[1])
    single = frame.method.str.startswith(SINGLE)
    stopped = frame.method.str.endswith("stopped early")
    best = frame[single].groupby(["configuration", "seed", stopped])["loss"].idxmin()
    best = frame.loc[best].assign(
        method=lambda some: np.where(
            stopped[some.index], "best single, stopped early", "best single"
        )
    )
    return pd.concat([frame[~single], best]).sort_index()


def table(results):
    """Means over seeds; the weights in words."""
    frame = frame_of(results)
    weights = [name for name in frame if name.startswith("w: ")]
    columns = ["loss", "train", "accuracy", "ratio", *weights]
    groups = frame.groupby(["problem", "optimizer", "method"], sort=False)
    found = groups[columns].mean().round(3).reset_index()
    median = groups["ratio"].median().round(2).to_numpy()
    found["ratio"] = median  # a gain close to zero makes means meaningless
    found.insert(4, "se of loss", groups["loss"].sem().round(3).to_numpy())
    found["weights"] = [in_words(one) for one in found[weights].to_dict("records")]
    return found.drop(columns=weights).to_dict("records")


def in_words(weights):
    known = {name[3:]: w for name, w in weights.items() if np.isfinite(w)}
    return ", ".join(f"{name} {w:.2f}" for name, w in known.items())


def claims(results):
    """Test log-loss of blending against that of joint training."""
    frame = frame_of(results)
    means = frame.pivot_table("loss", "method", "configuration", sort=False)
    return [
        row("blending, loss of joint", f"{case}: {name}{end}", value, round(most, 3))
        | {"reached": value}
        for end in ("", ", stopped early")
        for case, most in means.loc[f"joint{end}"].items()
        for name, value in zip(
            ASIDE, means.loc[[f"{name}{end}" for name in ASIDE], case].round(3),
            strict=True,
        )
    ]  # fmt: skip
