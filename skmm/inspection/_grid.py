"""A model's outputs where every row's modality meets every other row's.

The cells of the grid are all n ** M combinations of rows, so that modalities are
independent. Means over some of its axes are what a model says on average, given the
others.
"""

from itertools import combinations

import numpy as np
import torch
from sklearn.base import is_classifier

from skmm.data.recombine import recombined
from skmm.data.tensors import TensorRows
from skmm.inspection._asking import outputs_of, tells_labels
from skmm.inspection._replacing import encoded_once

BLOCK = 2**14  # cells that are asked at once, at least those of one row
CELLS = 10**7  # the most that a grid may have


class Grid:
    """Means of a model's outputs over the grid of all combinations of rows.

    Parameters
    ----------
    estimator : fitted estimator
    X : ModalityDict of n rows
    name : str
        Of the function that asks.

    Attributes
    ----------
    names : tuple of str
    given : dict of tuple of str to ndarray of shape (n, K)
        For every set of modalities the mean output, given those of each row; () is the
        mean of all, all names are the outputs themselves.
    square : float
        Mean over the grid of the sum of squares of the centred outputs, less `offset`.
    offset : ndarray of shape (K,)
        A number near the mean of each output: what is subtracted before squaring.
    shape : tuple
        Of the model's own outputs for n rows.
    labels : bool
        Whether outputs are of several labels of a row, each by itself.
    """

    def __init__(self, estimator, X, name):
        self.names, self.n = tuple(X), len(X)
        self._refuse_much(name)
        self.labels = tells_labels(estimator, X)
        self.classes = is_classifier(estimator) and not self.labels
        self.model, self.X = encoded_once(estimator, X)
        first = self._outputs(self.X)
        self.shape = first.shape
        self.offset = self.centred(first.reshape(self.n, -1)).mean(axis=0)
        sums = {axes: np.zeros((self.n, first[0].size)) for axes in self._sets()}
        squares, step = 0.0, max(1, BLOCK // self.n ** (len(self.names) - 1))
        for start in range(0, self.n, step):
            rows = np.arange(start, min(start + step, self.n))
            cells = self._cells(rows)
            squares += float(np.square(self.centred(cells) - self.offset).sum())
            for axes, total in sums.items():
                self._add(total, axes, cells, rows)
        self.square = squares / self.n ** len(self.names)
        self.given = {tuple(self.names[a] for a in s): v for s, v in sums.items()}

    def part(self, names):
        """What a set of modalities adds to all its subsets, for every row: (n, K)."""
        parts = ((k, some) for k in range(len(names) + 1) for some in subsets(names, k))
        return sum((-1) ** (len(names) - k) * self.given[some] for k, some in parts)

    def interaction_share(self):
        """Share of the variance over the grid that no sum over modalities has."""
        mean = self.centred(self.given[()][:1]) - self.offset
        variance = self.square - float(np.square(mean).sum())
        if variance <= 1e-12 * self._scale():
            return 0.0
        parts = [self.centred(self.part((name,))) for name in self.names]
        additive = sum(float(np.square(part).sum(axis=1).mean()) for part in parts)
        return float(np.clip(1 - additive / variance, 0, 1))

    def _scale(self):
        """Square of what is rounded: logits come in float32, values in float64."""
        logits = self.classes or self.labels
        return self.square + logits * float(np.square(self.offset).sum())

    def centred(self, values):
        """Logits less their mean over the classes, on which no probability depends."""
        if not self.classes or values.shape[-1] == 1:
            return values
        return values - values.mean(axis=-1, keepdims=True)

    def _refuse_much(self, name):
        count = len(self.names)
        if (cells := self.n**count) > CELLS:
            most = int(CELLS ** (1 / count))
            raise ValueError(
                f"{name}: {self.n} rows of {count} modalities have {cells:.1e} "
                f"combinations; give {most} rows or fewer, as X[:{most}]."
            )

    def _sets(self):
        axes = range(len(self.names))
        return [some for k in range(len(axes) + 1) for some in subsets(axes, k)]

    def _outputs(self, X):
        return np.asarray(outputs_of(self.model, X, self.labels), float)

    def _cells(self, first):
        """Outputs where some rows' first modality meets all rows' others."""
        shape = (len(first), *[self.n] * (len(self.names) - 1))
        rows = np.unravel_index(np.arange(np.prod(shape)), shape)
        rows = dict(zip(self.names, (first[rows[0]], *rows[1:]), strict=True))
        return self._outputs(self._combined(rows)).reshape(*shape, -1)

    def _combined(self, rows):
        if not isinstance(self.X, TensorRows):
            return recombined(self.X, rows)
        device = next(iter(self.X.x.values())).device
        return self.X.recombined(
            {name: torch.from_numpy(index).to(device) for name, index in rows.items()}
        )

    def _add(self, total, axes, cells, rows):
        """Add means over axes that are not given, where the given ones are equal."""
        others = tuple(a for a in range(1, len(self.names)) if a not in axes)
        means = cells.mean(axis=others)
        kept = len(axes) - (0 in axes)
        if 0 in axes:
            total[rows] = means[(np.arange(len(rows)), *[rows] * kept)]
        else:
            every = (np.arange(self.n),) * kept
            total += means.sum(axis=0)[every] / self.n


def subsets(names, size):
    """Tuples of some of the names."""
    return list(combinations(names, size))
