"""The nets and loops that skmm is compared with, written by hand or by others."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn

from skmm import FusionClassifier, ModalityDict
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


def ours(X, y, batch_size, epochs, scale=None, **settings):
    """The same net by skmm; by default without the scaling that the others lack."""
    model = FusionClassifier(
        MLPEncoder((64,), scale=scale),
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


def reencoding(net, encoders, X, y, epochs, batch_size=32):
    """Train `net` on embeddings that frozen encoders compute anew in every batch."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    x = {name: torch.from_numpy(rows) for name, rows in X.items()}
    target = torch.from_numpy(y)
    for encoder in encoders.values():
        encoder.eval().requires_grad_(False)
    for _ in range(epochs):
        order = torch.randperm(len(y))
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            with torch.no_grad():
                parts = [encoder(x[name][rows]) for name, encoder in encoders.items()]
            loss = nn.functional.cross_entropy(net(torch.cat(parts, 1)), target[rows])
            loss.backward()
            optimizer.step()
