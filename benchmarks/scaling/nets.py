"""The data, the floor, and our net on them."""

import numpy as np
import torch
from torch import nn

from skmm import FusionClassifier, ModalityDict
from skmm.nn import MLPEncoder, MLPHead

BATCH = 512
TABLES = {"a": 40, "b": 60}
WIDE = {"a": 100, "b": 150}  # 1 kB a row in float32
ROW_BYTES = 4 * sum(WIDE.values())


def make_data(n_rows, widths, dtype=np.float32):
    rng = np.random.default_rng(0)
    X = {n: rng.standard_normal((n_rows, d), dtype) for n, d in widths.items()}
    return ModalityDict(X), rule(*X.values())


def rule(first, second, *others):
    return (first[:, 0] + second[:, 0] > 0).astype(np.int64)


class Bare(nn.Module):
    """The same net, written by hand."""

    def __init__(self, widths):
        super().__init__()
        parts = [nn.Sequential(nn.Linear(d, 64), nn.ReLU()) for d in widths]
        self.encoders = nn.ModuleList(parts)
        width = 64 * len(parts)
        self.head = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, *parts):
        """(batch, d) for each table to (batch, 2)."""
        pairs = zip(self.encoders, parts, strict=True)
        return self.head(torch.cat([encode(part) for encode, part in pairs], 1))


def floor(X, y, epochs):
    parts, target = [torch.from_numpy(v) for v in X.values()], torch.from_numpy(y)
    net = Bare([part.shape[1] for part in parts])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        order, total = torch.randperm(len(y)), 0
        for start in range(0, len(y), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            outputs = net(*(part[rows] for part in parts))
            loss = nn.functional.cross_entropy(outputs, target[rows])
            loss.backward()
            optimizer.step()
            total = total + loss.detach()
        float(total)


def ours(epochs, **settings):
    return FusionClassifier(
        MLPEncoder((64,)),
        head=MLPHead((32,)),
        batch_size=BATCH,
        max_epochs=epochs,
        random_state=0,
        device="cpu",
        **settings,
    )


def before_training(X, y):
    """Everything that `fit` does before its first epoch."""
    model = ours(1)
    model.make_net(model.prepare(X, y).module)
