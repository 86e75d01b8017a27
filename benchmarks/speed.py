"""What the training loop costs, as ratios to loops written by hand, in one run.

Run with ``python benchmarks/speed.py [--quick]``; with ``OMP_NUM_THREADS=1`` for one
thread. Each row is a goal, what was reached, and in which direction. The *floor* is a
bare torch loop that slices whole tensors and uses a fused Adam.
"""

import time
import warnings

import numpy as np
import torch
from common import alternating_medians, arguments, machine, report, row
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn

from skmm import FusionClassifier, ModalityDict
from skmm.model_selection import BootstrapOutOfBag, fit_replicas
from skmm.nn import MLPEncoder, MLPHead

WIDTHS = {"a": 40, "b": 60}


def make_data(n_rows):
    rng = np.random.default_rng(0)
    X = {
        name: rng.normal(size=(n_rows, d)).astype(np.float32)
        for name, d in WIDTHS.items()
    }
    return ModalityDict(X), (X["a"][:, 0] + X["b"][:, 0] > 0).astype(np.int64)


class Bare(nn.Module):
    """The same net, written by hand."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Linear(WIDTHS["a"], 64), nn.ReLU())
        self.b = nn.Sequential(nn.Linear(WIDTHS["b"], 64), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, a, b):
        """(batch, 40) and (batch, 60) to (batch, 2)."""
        return self.head(torch.cat([self.a(a), self.b(b)], 1))


def floor(X, y, batch_size, epochs):
    net = Bare()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    a, b, target = (torch.from_numpy(v) for v in (X["a"], X["b"], y))
    for _ in range(epochs):
        order, total = torch.randperm(len(y)), 0
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(a[rows], b[rows]), target[rows])
            loss.backward()
            optimizer.step()
            total = total + loss.detach()
        float(total)


def ours(X, y, batch_size, epochs, **settings):
    model = FusionClassifier(
        MLPEncoder((64,)),
        head=MLPHead((32,)),
        batch_size=batch_size,
        max_epochs=epochs,
        random_state=0,
        device="cpu",
        **settings,
    )
    return model.fit(X, y)


def default_skorch(X, y, batch_size, epochs):
    net = NeuralNetClassifier(
        Bare,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=epochs,
        batch_size=batch_size,
        train_split=None,
        verbose=0,
    )
    net.fit(dict(X), y)


def scikit_learn(X, y, batch_size, epochs):
    """One hidden layer more than ours has weights for; no early end."""
    model = MLPClassifier(
        (128, 32),
        batch_size=batch_size,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.hstack([X["a"], X["b"]]), y)


def fit_rows(quick):
    """Goal 1: one fit."""
    sizes = [(2000, 64, 10), (2000, 128, 10), (2000, 512, 30), (50_000, 512, 2)]
    rows = []
    for n_rows, batch_size, epochs in sizes[: 2 if quick else None]:
        X, y = make_data(n_rows)
        args = (X, y, batch_size, epochs)
        seconds = alternating_medians(
            {
                "floor": lambda args=args: floor(*args),
                "ours": lambda args=args: ours(*args),
                "stopping": lambda args=args: ours(
                    *args, early_stopping=True, patience=epochs
                ),
                "skorch": lambda args=args: default_skorch(*args),
                "scikit-learn": lambda args=args: scikit_learn(*args),
            },
            repeats=3 if quick else 7,
            clock=time.process_time,
        )
        case = f"n={n_rows}, batch {batch_size}"
        base = seconds["floor"]
        rows += [
            row("fit / floor", case, seconds["ours"] / base, 1.10),
            row("with early stopping / floor", case, seconds["stopping"] / base, 1.25),
            row(
                "default skorch / fit",
                case,
                seconds["skorch"] / seconds["ours"],
                2.2 if batch_size >= 128 else 1.0,
                at_most=False,
            ),
            row(
                "MLPClassifier / fit",
                case,
                seconds["scikit-learn"] / seconds["ours"],
                1.0,
                at_most=False,
            ),
        ]
    return rows


def bootstrap_rows(quick):
    """Goal 2: 100 bootstraps of 72 rows."""
    X, y = make_data(72)
    count, epochs = (20, 30) if quick else (100, 100)
    splitter = BootstrapOutOfBag(count, random_state=0)
    samples = [train for train, _ in splitter.split(X, y)]
    model = ours(X, y, 32, 1).set_params(max_epochs=epochs)

    def one_by_one(fit):
        return lambda: [fit(X[rows], y[rows], 32, epochs) for rows in samples]

    seconds = alternating_medians(
        {
            "replicas": lambda: fit_replicas(model, X, y, samples),
            "floor": one_by_one(floor),
            "ours": one_by_one(ours),
            "skorch": one_by_one(default_skorch),
        },
        repeats=1 if quick else 3,
        clock=time.process_time,
    )
    case = f"{count} x 72 rows, {epochs} epochs"
    base = seconds["replicas"]
    return [
        row("floor loop / replicas", case, seconds["floor"] / base, 3.0, at_most=False),
        row("fits one by one / replicas", case, seconds["ours"] / base, 3.0, False),
        row("default skorch / replicas", case, seconds["skorch"] / base, 7.0, False),
    ]


def predict_rows(quick):
    """Goal 7: predict_proba against the bare module."""
    X, y = make_data(20_000)
    model, bare = ours(X, y, 512, 1), Bare().eval()
    rows = []
    for n_rows, wanted in ((1, 2.0), (128, 1.2), (20_000, 1.2)):
        part = X[:n_rows]
        tensors = [torch.from_numpy(np.ascontiguousarray(v)) for v in part.values()]

        def direct(tensors=tensors):
            with torch.inference_mode():
                return bare(*tensors).softmax(1).numpy()

        calls = 200 if n_rows < 1000 else 5
        seconds = alternating_medians(
            {
                "direct": lambda direct=direct: [direct() for _ in range(calls)],
                "ours": lambda part=part: [
                    model.predict_proba(part) for _ in range(calls)
                ],
            },
            repeats=3 if quick else 7,
            clock=time.process_time,
        )
        ratio = seconds["ours"] / seconds["direct"]
        rows.append(row("predict_proba / module", f"{n_rows} rows", ratio, wanted))
    return rows


def main():
    quick = arguments(__doc__).quick
    facts = machine("torch", "skorch", "scikit-learn", "numpy")
    facts["threads"] = torch.get_num_threads()
    rows = fit_rows(quick) + bootstrap_rows(quick) + predict_rows(quick)
    report(rows, f"speed_{facts['threads']}_threads", facts, quick)


if __name__ == "__main__":
    main()
