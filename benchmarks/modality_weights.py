"""Whether the weights of `LpNormFusion` say which modality, or which pair, matters.

*DNA*: a gene with a motif beside random sequences, and two sequences whose motifs make
an exclusive or; weights with and without normalisation of products, and what is left if
the rows of the gene are shuffled. *Degree inflation*: a modality that is nearly
constant takes the weight of the other one through their product, unless products are
normalised; an exclusive or keeps its weight. *Sentiment*: in how many seeds the ranking
of planted shares is recovered.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.modality_weights [--quick]``.
"""

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

from benchmarks.common import RESULTS, arguments, machine, report, row
from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.datasets import make_dna_motif, make_sentiment_like
from skmm.nn import Conv1dEncoder, Flatten, LpNormFusion

SHARES = (0.6, 0.3, 0.1)
SHAPES = {  # an exclusive or of motifs is found with many, shorter sequences only
    "motif": {"rows": 2000, "length": 100, "motif": 8, "strength": 0.05, "epochs": 30},
    "xor": {"rows": 8000, "length": 50, "motif": 6, "strength": 0.02, "epochs": 20},
}
HALF = "motif, half the rows"  # accuracy needs fewer rows than weights do
QUICK = ("motif", "motif, not normalised", "xor")


def dna(kind, seed, **settings):
    """Weights, and accuracy on rows not learnt."""
    shape = SHAPES[kind]
    n = settings.pop("rows", shape["rows"])
    X, y = make_dna_motif(
        n + 1000,
        kind,
        length=shape["length"],
        motif_length=shape["motif"],
        random_state=seed,
    )
    if settings.pop("shuffled", False):
        order = np.random.default_rng(seed).permutation(len(y))
        X = X.assign(gene=X["gene"][order])
    fusion = LpNormFusion(
        **{"strength": shape["strength"], "interactions": 2, "width": 8} | settings
    )
    model = FusionClassifier(
        Conv1dEncoder(kernel_size=(shape["motif"], 3, 3), width=32),
        fusion=fusion,
        max_epochs=shape["epochs"],
        lr=3e-3,
        batch_size=64,
        random_state=seed,
    ).fit(X[:n], y[:n])
    return model.modality_weights_["weight"], model.score(X[n:], y[n:])


def dna_rows(quick):
    """Mean weights over seeds, by setting."""
    settings = {
        "motif": ("motif", {}),
        "motif, not normalised": ("motif", {"normalize": False}),
        HALF: ("motif", {"rows": SHAPES["motif"]["rows"] // 2}),
        "motif, gene shuffled": ("motif", {"shuffled": True}),
        "xor": ("xor", {}),
        "xor, not normalised": ("xor", {"normalize": False}),
    }
    if quick:  # fewer settings, not fewer rows: weights need them
        settings = {case: settings[case] for case in QUICK}
    rows, bars = [], {}
    for case, (kind, params) in settings.items():
        found = [
            dna(kind, seed, **params)
            for seed in tqdm(range(1 if quick else 3), desc=case)
        ]
        weights = sum(weights for weights, _ in found) / len(found)
        accuracy = np.mean([score for _, score in found])
        bars[case] = weights
        rows += judged(case, weights, accuracy)
    return rows, bars


def judged(case, weights, accuracy):
    """Rows of the table for one setting of the DNA experiment."""
    best = weights.idxmax()
    text = f"{case}: " + ", ".join(f"{n} {w:.3f}" for n, w in weights.items())
    if case == "motif, not normalised":  # what normalisation is there for
        pair = weights["gene x random0"]
        wanted = row("DNA, inflated weight of a product", text, pair, 0.8, False)
    elif case in ("motif", HALF):
        gene = weights["gene"]
        wanted = row("DNA, weight of the gene", text, gene, 0.8, at_most=False)
    elif case.startswith("xor"):
        pair = weights["gene x enhancer"]
        wanted = row("DNA, weight of the pair", text, pair, 0.8, at_most=False)
    else:
        wanted = row("DNA, accuracy without relevance", text, accuracy, 0.55)
    share = 0.9 if "shuffled" not in case else 0.0
    score = row("DNA, accuracy", f"{case}, largest: {best}", accuracy, share, False)
    return [wanted, score]


def inflation(n, seed, xor, normalize):
    """Weight of the product in the demonstration of degree inflation."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 4))
    b = rng.normal(size=(n, 4)) if xor else 3 + 0.01 * rng.normal(size=(n, 4))
    y = a[:, 0] * b[:, 0] > 0 if xor else a.sum(1) > 0
    fusion = LpNormFusion(1.0, 0.02, 2, normalize)
    model = FusionClassifier(
        Flatten(), fusion=fusion, lr=0.01, max_epochs=60, random_state=seed
    ).fit(ModalityDict(a=a, b=b), y)
    return model.modality_weights_["weight"]["a x b"]


def inflation_rows(quick):
    """The product's weight where it should have none, and where it should have all."""
    cases = {
        "nearly constant b, not normalised": (False, False, 0.9, False),
        "nearly constant b": (False, True, 0.1, True),
        "xor, not normalised": (True, False, 0.9, False),
        "xor": (True, True, 0.9, False),
    }
    seeds = range(2 if quick else 10)
    return [
        row(
            "weight of the product",
            f"{case}, mean of {len(seeds)} seeds",
            np.mean([inflation(800, seed, xor, norm) for seed in seeds]),
            wanted,
            at_most,
        )
        for case, (xor, norm, wanted, at_most) in cases.items()
    ]


def ranking(seed, p):
    """Modalities by weight, and the weights."""
    X, y = make_sentiment_like(1000, SHARES, random_state=seed)
    model = FusionRegressor(
        Flatten(),
        fusion=LpNormFusion(p),
        lr=0.01,
        max_epochs=40,
        random_state=seed,
    ).fit(X, y)
    return model.modality_weights_["weight"]


def sentiment_rows(quick):
    """How often the planted ranking is that of the weights."""
    rows, seeds = [], range(200, 204 if quick else 240)
    for p in (1.0, 2.0):
        found = [ranking(seed, p) for seed in tqdm(seeds, desc=f"sentiment, p={p}")]
        right = [list(w.sort_values(ascending=False).index) for w in found]
        share = np.mean([names == ["text", "audio", "video"] for names in right])
        means = ", ".join(f"{n} {w:.2f}" for n, w in (sum(found) / len(found)).items())
        case = f"p={p}, {len(seeds)} seeds: {means}"
        rows.append(row("ranking recovered", case, share, 0.95, at_most=False))
    return rows


def draw(bars):
    """Weights of the DNA experiment, as the slides show them."""
    (figure, axes), start = plt.subplots(figsize=(8, 4), layout="constrained"), 0
    for case, weights in bars.items():
        positions = start + np.arange(len(weights))
        axes.bar(positions, weights, label=case)
        for x, name in zip(positions, weights.index, strict=True):
            axes.text(x, 0.02, name, rotation=90, ha="center", va="bottom", fontsize=6)
        start = positions[-1] + 2
    axes.set(ylabel="weight", xticks=[], ylim=(0, 1.05))
    figure.legend(fontsize=7, loc="outside upper center", ncols=3)
    figure.savefig(RESULTS / "modality_weights.png", dpi=150)


def main():
    quick = arguments(__doc__.splitlines()[0]).quick
    rows, bars = dna_rows(quick)
    rows += inflation_rows(quick) + sentiment_rows(quick)
    if not quick:
        draw(bars)
    report(rows, "modality_weights", machine("torch"), quick)


if __name__ == "__main__":
    main()
