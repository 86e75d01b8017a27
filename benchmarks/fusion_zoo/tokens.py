"""Fusions that read tokens, against fusions of embeddings, on the same rows.

*Places*: which patch of an image counts is told by the other modality. *Splice*: both
sides of a splice junction, three letters a token. *Digits, eye and ear*: images in
patches, sounds in steps. Fusions of embeddings read the same numbers through one layer
(`MLPEncoder`), or images and sequences through convolutions. All have a width of 32, a
linear head, the same rows, epochs, early stopping, and the better of two rates on the
rows set aside; numbers of parameters and time differ, and stand beside.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.fusion_zoo.tokens
[--quick] [--seeds 3] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import sys
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import log_loss

from benchmarks.common import collect, machine, options, report, row, split_by_class
from benchmarks.fusion_zoo.methods import SETTINGS, WIDTH
from benchmarks.no_harm import real
from skmm import FusionClassifier, ModalityDict
from skmm.datasets import fetch_avmnist
from skmm.nn import (
    ConcatFusion,
    Conv1dEncoder,
    ConvEncoder,
    CrossAttentionFusion,
    GatedFusion,
    MLPEncoder,
    MLPHead,
    PatchTokens,
    SelfAttentionFusion,
    SequenceTokens,
    TransformerFusion,
)

FIRST_SEED = 4000
RATES = (3e-3, 1e-3)
OF_TOKENS = {
    "transformer, tokens": TransformerFusion(WIDTH),
    "transformer of 2 layers, tokens": TransformerFusion(WIDTH, layers=2),
    "cross-attention, tokens": CrossAttentionFusion(WIDTH),
    "self-attention, tokens": SelfAttentionFusion(WIDTH),
}
OF_EMBEDDINGS = {
    "concat, MLP": ConcatFusion((64,)),
    "gated": GatedFusion(),
    "transformer": TransformerFusion(WIDTH),
}
ABLE = ("cross-attention, tokens", "transformer of 2 layers, tokens")
UNABLE = ("self-attention, tokens", "transformer, tokens")  # CLS asks all alike
MOST = 0.637  # how often one of nine signs is that of most of them
IMAGE = ConvEncoder((8, 16), hidden=(WIDTH,))
SEQUENCE = Conv1dEncoder(kernel_size=(6, 3, 3), width=WIDTH)


@dataclass
class TrainingData:
    """Where rows come from, how they are read, how many are learnt and tested.

    Attributes
    ----------
    draw : callable
        ``draw(seed)`` returns X and y.
    tokens, convolutions : dict of str to Block
        Encoders by modality; others have a layer.
    train, test, max_epochs : int
    scaled : tuple of str
        Modalities whose numbers get mean zero and deviation one, in training rows.
    """

    draw: callable
    tokens: dict
    train: int
    test: int
    max_epochs: int
    convolutions: dict = field(default_factory=dict)
    scaled: tuple = ()

    def split(self, seed):
        """Training rows and test rows: ``(X, y), (X, y)``."""
        X, y = self.draw(seed)
        train, test = split_by_class(y, self.train, self.test, seed)
        parts = {name: standardised(X[name], train) for name in self.scaled}
        X = X.assign(**parts)
        return (X[train], y[train]), (X[test], y[test])


def standardised(part, train):
    """All numbers of a modality, less the mean and by the deviation of these rows."""
    return (part - part[train].mean()) / part[train].std()


def places(seed):
    """The sign of one of nine patches; the other modality says of which."""
    rng = np.random.default_rng(seed)
    patches = rng.choice([-1.0, 1.0], (4500, 3, 3))
    place = rng.integers(9, size=4500)
    y = patches.reshape(4500, 9)[np.arange(4500), place] > 0
    image = patches.repeat(2, 1).repeat(2, 2)[:, None]
    image = image + 0.5 * rng.normal(size=image.shape)
    return ModalityDict(image=image, place=np.eye(9)[place]), y.astype(int)


def splice(seed):
    X, y = real.splice()
    shape = (len(y), 30, 4)
    parts = {name: part.reshape(shape).transpose(0, 2, 1) for name, part in X.items()}
    return ModalityDict(parts), y


def eye_and_ear(seed):
    X, y = fetch_avmnist(return_X_y=True)
    image, audio = (np.asarray(X[name], np.float32) for name in ("image", "audio"))
    return ModalityDict(image=image, audio=audio[:, 0]), y


LETTERS = SequenceTokens(WIDTH, patch=3)
PROBLEMS = {
    "places": TrainingData(
        places, {"image": PatchTokens(2, width=WIDTH)}, 2000, 2500, 60, {"image": IMAGE}
    ),
    "splice": TrainingData(
        splice,
        {"upstream": LETTERS, "downstream": LETTERS},
        1500,
        1400,
        30,
        {"upstream": SEQUENCE, "downstream": SEQUENCE},
    ),
    "digits, eye and ear": TrainingData(
        eye_and_ear,
        {
            "image": PatchTokens(7, width=WIDTH),
            "audio": SequenceTokens(WIDTH, patch=4),
        },
        600,
        2400,
        60,
        {"image": IMAGE, "audio": SEQUENCE},
        ("audio",),
    ),
}


def models_of(problem, names, seed):
    """``{method: estimator}``."""
    plain = dict.fromkeys(names, MLPEncoder((WIDTH,)))
    readers = {
        method: (plain | problem.tokens, fusion) for method, fusion in OF_TOKENS.items()
    }
    readers |= {method: (plain, fusion) for method, fusion in OF_EMBEDDINGS.items()}
    readers["gated, convolutions"] = (plain | problem.convolutions, GatedFusion())
    settings = SETTINGS | {"max_epochs": problem.max_epochs, "random_state": seed}
    return {
        method: FusionClassifier(encoders, fusion=fusion, head=MLPHead(()), **settings)
        for method, (encoders, fusion) in readers.items()
    }


def run(name, seed):
    """Results of all methods on one problem and seed."""
    train, test = PROBLEMS[name].split(seed)
    models = models_of(PROBLEMS[name], list(train[0]), seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "modality .* has samples", UserWarning)
        return [
            {"configuration": name, "seed": seed, "method": method}
            | judged(model, train, test)
            for method, model in models.items()
        ]


def judged(model, train, test):
    """Accuracy, losses, size and time of a model at the better of its rates."""
    tried = [timed_fit(clone(model).set_params(lr=rate), train) for rate in RATES]
    model, seconds = min(tried, key=lambda pair: valid_loss(pair[0]))
    losses = [log_loss(y, model.predict_proba(X)) for X, y in (train, test)]
    return {
        "accuracy": model.score(*test),
        "loss": losses[1],
        "train": losses[0],
        "parameters": sum(p.numel() for p in model.net_.module_.parameters()),
        "ms/epoch": 1000 * seconds / len(model.history_),
        "rate": model.lr,
    }


def timed_fit(model, train):
    begun = time.process_time()
    model.fit(*train)
    return model, time.process_time() - begun


def valid_loss(model):
    return min(model.history_["valid_loss"])


def table(results):
    """Means over seeds, by problem, the lowest loss first."""
    frame = pd.DataFrame(results).rename(columns={"configuration": "problem"})
    means = frame.groupby(["problem", "method"], sort=False).mean()
    means["sd of accuracy"] = frame.groupby(["problem", "method"])["accuracy"].std()
    found = means.drop(columns="seed").round(3).reset_index()
    order = {name: place for place, name in enumerate(PROBLEMS)}
    found["place"] = found["problem"].map(order)
    found = found.sort_values(["place", "loss"]).drop(columns="place")
    return found.to_dict("records")


def claims(results):
    """Who relates places; the others know the sign of most patches, not of one."""
    frame = pd.DataFrame(results)
    frame = frame[frame.configuration == "places"]
    right = frame.groupby("method")["accuracy"].mean()
    rows = [row("places are related", n, right[n], 0.9, at_most=False) for n in ABLE]
    sums = [row("places are not related", n, right[n], MOST + 0.02) for n in UNABLE]
    return rows + sums


def main():
    words = __doc__.splitlines()[0], "fusion_zoo_tokens_runs.jsonl", "places, 1 seed"
    chosen = options(*words).parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if chosen.quick else chosen.seeds))
    names = ["places"] if chosen.quick or real.folder() is None else list(PROBLEMS)
    cells = [(name, seed) for seed in seeds for name in names]
    path = None if chosen.quick else chosen.cache
    results = collect(run, cells, path, chosen.jobs)
    facts = machine("torch", "skorch", "scikit-learn") | {"seeds": len(seeds)}
    report(table(results), "fusion_zoo_tokens", facts, chosen.quick)
    report(claims(results), "fusion_zoo_tokens_claims", facts, chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
