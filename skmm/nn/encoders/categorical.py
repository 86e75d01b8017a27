"""Encoder of tables with columns of categories.

====================  =====================================  ========================
encoder               formula                                parameters
====================  =====================================  ========================
CategoricalEmbedding  MLP of [x, e_1 ... e_C], where e_j is  sum (K_j + 2) d, and
                      the embedding of the category of       those of the MLP
                      column j
====================  =====================================  ========================

x are the numbers of a sample, C is the number of columns of categories; column j has
K_j categories, and d is the largest width of an embedding.
"""

from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm._warnings import warn
from skmm.data.categories import categories_of
from skmm.data.sources import rows_at
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, dense_layers
from skmm.nn.scaling import SCALES

__all__ = ["CategoricalEmbedding"]

PIECE = 2**16  # samples that are counted at once


class CategoricalEmbedding(Block):
    """Embed the categories of a table; the numbers join them before dense layers.

    It reads a DataFrame as it is: columns of dtype category, string or object are
    categories, all others are numbers. It is the default for such tables. The
    categories are those of the samples of each fit.

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Width of each layer after the embeddings; the last is the width of the result.
    activation : str, default="relu"
        Activation after each of these layers; see `MLPEncoder`.
    dropout : float in [0, 1), default=0.0
        Dropout probability after every activation.
    scale : {"robust"} or None, default="robust"
        How each column of numbers is scaled; see `MLPEncoder`.
    dim : int or None, default=None
        Width of the embedding of a category. None is ``min(50, round(1.6 * K**0.56))``
        for a column of K categories: 2 for 2, 6 for 10, 21 for 100.

    Attributes
    ----------
    out_features : int
        ``hidden[-1]``; set by ``build``.

    Notes
    -----
    A category that no training sample has, because it is new, or only in the validation
    set, has the mean of the embeddings of its column, weighted by their frequencies in
    the training samples. A missing entry (NaN, None or ``pandas.NA``) has an embedding
    of its own, and this mean if no training sample lacks one.

    A column of numbers that are names of categories has to be converted:
    ``frame.astype({"code": "category"})``. Long text is a modality of its own; see
    `HashedNGramEncoder`.

    ``build`` needs a ``skmm.data.categories.TableShape``, which has the categories;
    `forward` reads their codes, float32 (batch, n_columns) to (batch, hidden[-1]).

    References
    ----------
    Guo and Berkhahn, "Entity embeddings of categorical variables", 2016. The default
    width is that of Howard and Gugger, "fastai: A layered API for deep learning", 2020.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm import FusionClassifier
    >>> from skmm.nn import CategoricalEmbedding
    >>> table = pd.DataFrame({"size": [1.0, 2.0] * 10, "colour": ["red", "blue"] * 10})
    >>> model = FusionClassifier(
    ...     {"t": CategoricalEmbedding((8,))}, lr=0.01, max_epochs=20, random_state=0
    ... ).fit({"t": table}, [1, 0] * 10)
    >>> new = pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "green"]})
    >>> model.predict({"t": new})
    array([1, 0])
    """

    takes_categories = True

    search_space = {
        "hidden": [(32,), (64,), (128,), (64, 64), (128, 64)],
        "dropout": (0.0, 0.6),
        "scale": ["robust", None],
    }

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scale": [StrOptions(set(SCALES)), None],
        "dim": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        hidden=(64,),
        *,
        activation="relu",
        dropout=0.0,
        scale="robust",
        dim=None,
    ):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.scale = scale
        self.dim = dim

    def build(self, in_shape):
        """Create the weights for tables of a shape with categories."""
        categories = categories_of(in_shape)
        if not categories:
            raise ValueError(
                "CategoricalEmbedding expects a DataFrame with columns of categories, "
                "of dtype category, string or object; got samples of shape "
                f"{tuple(in_shape)} without any. Numbers become categories by "
                'frame.astype({column: "category"}); for numbers alone use MLPEncoder.'
            )
        self.columns = sorted(categories)
        self.names = [in_shape.names[i] for i in self.columns]
        self.numeric = [i for i in range(in_shape[0]) if i not in categories]
        if self.scale is not None:
            self.scaling = SCALES[self.scale]().build(in_shape)
        self._make_table([len(categories[i]) for i in self.columns])
        width = len(self.numeric) + len(self.kept)
        self.layers, self.out_features = dense_layers(
            width, self.hidden, self.activation, self.dropout
        )
        return self

    def _make_table(self, counts):
        """Create the embeddings of all columns as one table, and where to find them."""
        dims = torch.tensor([self._dim(count) for count in counts])
        sizes = torch.tensor(counts) + 2  # a row for missing entries, one for new ones
        column = torch.arange(len(sizes)).repeat_interleave(sizes)  # of each row
        table = torch.rand(len(column), int(dims.max())) * 2 - 1
        self.table = nn.Parameter(table * dims[column, None] ** -0.5)
        last = sizes.cumsum(0) - 1  # of each column; stands for new categories
        share = 1 / (sizes[column] - 1.0)
        share[last] = 0
        kept = (torch.arange(table.shape[1]) < dims[:, None]).flatten().nonzero()[:, 0]
        self.register_buffer("share", share)  # of each row in the training samples
        self.register_buffer("column", column, persistent=False)
        self.register_buffer("first", last - sizes + 1, persistent=False)
        self.register_buffer("kept", kept, persistent=False)

    def _dim(self, count):
        rule = min(50, round(1.6 * max(1, count) ** 0.56))
        return rule if self.dim is None else int(self.dim)

    def adapt(self, x, weight=None):
        """Learn scales, and how frequent categories are; see ``Block.adapt``."""
        if self.scale is not None:
            self.scaling.adapt(x, weight)
        counts = torch.zeros(len(self.share), dtype=torch.float64, device=x.device)
        for start in range(0, len(x), PIECE):
            part = slice(start, start + PIECE)
            rows = self._rows(rows_at(x, part))
            some = rows.new_ones(len(rows)) if weight is None else rows_at(weight, part)
            some = some[:, None].expand(rows.shape)
            counts.index_add_(0, rows.flatten(), some.flatten().to(counts))
        totals = torch.zeros_like(self.first, dtype=counts.dtype)
        totals.index_add_(0, self.column, counts)
        self.share.copy_(counts / totals.clamp(min=1e-30)[self.column])
        self._check_not_text(counts, len(x))
        return self

    def _check_not_text(self, counts, n_samples):
        """Warn of a column in which most samples have a category of their own."""
        used = torch.zeros_like(self.first).index_add_(
            0, self.column, (counts > 0).to(self.first)
        )
        for name, n_used in zip(self.names, used.tolist(), strict=True):
            if n_used > max(20, n_samples / 2):
                warn(
                    f"column {name!r} has {n_used} categories in {n_samples} training "
                    "samples, too many to learn from. If it is text, make it a "
                    "modality of its own; if it is an identifier, leave it out."
                )

    def _rows(self, x):
        """Rows of the table, (batch, number of columns of categories)."""
        return x[..., self.columns].long() + self.first

    def embed(self, x):
        """(batch, n_columns) to (batch, width) of the embeddings of all categories."""
        rows = self._rows(x)
        found, known = nn.functional.embedding(rows, self.table), self.share[rows] > 0
        if not (self.training and known.all()):  # which spares the means in training
            found = torch.where(known[..., None], found, self._means())
        return found.flatten(-2).index_select(-1, self.kept)

    def _means(self):
        """Mean embedding of each column, (number of columns of categories, width)."""
        part = self.table * self.share[:, None]
        means = part.new_zeros(len(self.first), part.shape[1])
        return means.index_add(0, self.column, part)

    def forward(self, x):
        """(batch, n_columns) to (batch, out_features)."""
        scaled = x if self.scale is None else self.scaling(x)
        return self.layers(torch.cat([scaled[..., self.numeric], self.embed(x)], -1))
