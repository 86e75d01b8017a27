"""Small data and blocks for the tests."""

import numpy as np
import torch
from torch import nn

from skmm import ModalityDict
from skmm.nn import Block


def two_tables(n=40, seed=0, classes=2):
    """Tables "a" (n, 3) and "b" (n, 5), and classes that depend on both."""
    rng = np.random.default_rng(seed)
    X = ModalityDict(a=rng.normal(size=(n, 3)), b=rng.normal(size=(n, 5)))
    score = X["a"][:, 0] + X["b"][:, 0]
    return X, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))


def with_holes(X, seed=1, share=0.3):
    """The same container with some rows of every modality missing."""
    rng = np.random.default_rng(seed)
    for name in X:
        X = X.with_missing(name, rng.random(len(X)) < share)
    return X


def state_of(module):
    """Copy of a module's weights and buffers, by name."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def assert_same_state(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


class MeanEmbedding(Block):
    """Average embedding of the tokens of a row; 0 is padding."""

    in_dtype = torch.int64

    def __init__(self, width=4):
        super().__init__()
        self.width = width

    def build(self, in_shape):
        self.table = nn.Embedding(257, self.width, padding_idx=0)
        self.out_features = self.width
        return self

    def forward(self, tokens):
        counts = (tokens > 0).sum(1, keepdim=True).clamp(min=1)
        return self.table(tokens).sum(1) / counts


class Ridge(Block):
    """A linear encoder with its own penalty, `strength` times the squared weights."""

    def __init__(self, width=4, strength=1.0):
        super().__init__()
        self.width = width
        self.strength = strength

    def build(self, in_shape):
        self.linear = nn.Linear(in_shape[0], self.width)
        self.out_features = self.width
        return self

    def penalty(self):
        return self.strength * self.linear.weight.square().sum()

    def forward(self, x):
        return self.linear(x)


class Normed(Block):
    """BatchNorm, then a linear layer."""

    def __init__(self, width=4):
        super().__init__()
        self.width = width

    def build(self, in_shape):
        self.norm = nn.BatchNorm1d(in_shape[0])
        self.linear = nn.Linear(in_shape[0], self.width)
        self.out_features = self.width
        return self

    def forward(self, x):
        return self.linear(self.norm(x))
