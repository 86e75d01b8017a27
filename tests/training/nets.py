"""Nets on small tensors, for the tests of this folder."""

import torch
from skorch.callbacks import Callback

from skmm._random import derive, seeded
from skmm.data.tensors import to_tensors
from skmm.nn import ConcatFusion, MLPEncoder, MLPHead
from skmm.nn.assemble import assemble
from skmm.objectives import CrossEntropy
from skmm.training import TensorNet
from tests.toys import two_tables, with_holes


class EveryBatch(Callback):
    """Wants every batch, which makes the net take skorch's own loop."""

    def __init__(self):
        self.losses = []

    def on_batch_end(self, net, loss=None, training=None, **kwargs):
        self.losses.append((training, loss.item()))


def data(n=40, holes=False, weights=False, dtype=torch.float32):
    X, y = two_tables(n)
    X = with_holes(X) if holes else X
    rows = to_tensors(X, dict.fromkeys(X, dtype), torch.device("cpu"))
    if weights:
        rows = rows.with_weight(torch.linspace(0, 2, n, dtype=dtype))
    return rows, torch.from_numpy(y)


def module(encoder=None, dropout=0.0, dtype=torch.float32):
    encoder = encoder or MLPEncoder((8,), dropout=dropout)
    return assemble(
        {"a": encoder, "b": MLPEncoder((8,), dropout=dropout)},
        ConcatFusion(),
        MLPHead((4,)),
        {"a": (3,), "b": (5,)},
        2,
        seeded=lambda *names: seeded(derive(0, *names)),
    ).to(dtype)


def make_net(network=None, **settings):
    defaults = {"optimizer": "adam", "lr": 0.01, "batch_size": 8, "max_epochs": 3}
    defaults |= {"shuffle_seed": 5, "device": "cpu", "verbose": 0}
    network = module() if network is None else network
    return TensorNet(network, CrossEntropy(), **{**defaults, **settings}).initialize()


def losses_of(net, key="train_loss"):
    return [row[key] for row in net.history]
