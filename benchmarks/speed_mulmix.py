"""Goal 5 of the speed benchmark: the candidates of MulMix as one batch.

Part of speed.py; by itself ``python -m benchmarks.speed_mulmix [--quick]``, with one
thread, by processor time.
"""

import time
from itertools import combinations

import torch
from sklearn.base import clone
from torch import nn

from benchmarks.common import alternating_medians, arguments, machine, report, row
from skmm import FusionClassifier, MulMixClassifier
from skmm.datasets import make_weak_modality
from skmm.nn import MLPEncoder, MLPHead

N_ROWS, BATCH, CLASSES, FEATURES = 800, 32, 6, 8


class OneByOne(MulMixClassifier):
    """The same net, its heads computed one after the other."""

    def __init__(self, encoders=None, *, head=None, max_epochs=100, random_state=None):
        settings = {"max_epochs": max_epochs, "random_state": random_state}
        super().__init__(encoders, head=head, **settings)

    def _assemble(self, encoders, fusion, head):
        head = clone(head).set_params(batched=False)
        return super()._assemble(encoders, fusion, head)


def by_hand(X, y, width, epochs):
    """A bare loop over batches and candidates, with the loss as the paper writes it."""
    torch.manual_seed(0)
    parts = [torch.from_numpy(X[name]).float() for name in X]
    target = torch.from_numpy(y)
    places = range(len(parts))
    mixtures = [c for k in (1, 2, 3) for c in combinations(places, k)]
    encoders = nn.ModuleList(
        nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU()) for _ in parts
    )
    heads = nn.ModuleList(
        nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, CLASSES))
        for _ in mixtures
    )
    parameters = [*encoders.parameters(), *heads.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    for _ in range(epochs):
        order = torch.randperm(len(y))
        for start in range(0, len(y), BATCH):
            rows = order[start : start + BATCH]
            codes = [f(part[rows]) for f, part in zip(encoders, parts, strict=True)]
            p = [
                head(sum(codes[i] for i in mix)).softmax(1)
                for head, mix in zip(heads, mixtures, strict=True)
            ]
            loss = _naive(p, target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _naive(p, target, beta=0.5):
    """Losses candidate by candidate; it overflows where a candidate is very sure."""
    own = [q.gather(1, target[:, None])[:, 0].clamp(1e-6, 1 - 1e-6) for q in p]
    total = 0
    for i, probability in enumerate(own):
        others = [1 - q for j, q in enumerate(own) if j != i]
        factor = torch.stack(others).prod(0) ** (beta / (len(own) - 1))
        total = total - factor.detach() * probability.log()
    return total.mean()


def flops(width, candidates):
    """Multiplications per row of a forward pass."""
    return 3 * FEATURES * width + candidates * (width**2 + width * CLASSES)


def mulmix_rows(quick, clock):
    """Batched heads against a loop, and MulMix against Add."""
    X, y = make_weak_modality(N_ROWS, random_state=0)
    epochs, rows = 10 if quick else 20, []
    for width in (64, 300):
        settings = {"encoders": MLPEncoder((width,)), "head": MLPHead((width,))}
        settings |= {"max_epochs": epochs, "random_state": 0}
        models = {
            "batched": MulMixClassifier(**settings),
            "one by one": OneByOne(**settings),
            "add": FusionClassifier(**settings, fusion="sum"),
        }
        tasks = {k: lambda model=model: model.fit(X, y) for k, model in models.items()}
        tasks["by hand"] = lambda width=width: by_hand(X, y, width, epochs)
        seconds = alternating_medians(tasks, 3 if quick else 7, clock)
        base, case = seconds["batched"], f"n={N_ROWS}, 3 modalities, width {width}"
        goal = 1.5 if width == 64 else 1.0
        for name in ("one by one", "by hand"):
            ratio = seconds[name] / base
            rows.append(row(f"candidates {name} / MulMix", case, ratio, goal, False))
        per_flop = base / seconds["add"] / (flops(width, 7) / flops(width, 1))
        rows.append(row("MulMix / Add, per multiplication", case, per_flop, 1.3))
    return rows


def main():
    quick = arguments(__doc__).quick
    torch.set_num_threads(1)
    facts = machine("torch", "skorch", "scikit-learn", "numpy")
    rows = mulmix_rows(quick, time.process_time)
    report([{**row, "threads": 1} for row in rows], "speed_mulmix", facts, quick)


if __name__ == "__main__":
    main()
