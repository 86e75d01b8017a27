"""What a model computes from its modalities one by one, and from interactions."""

from itertools import combinations

import numpy as np
import pandas as pd
import torch
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Bunch

from skmm._sklearn import validate_parameter_constraints
from skmm.base.mixins import masked_accuracy, masked_r2
from skmm.base.modality_subset import modalities_made
from skmm.base.training_data import check_has_samples
from skmm.data import check_modalities
from skmm.data.finite import measured_entries
from skmm.data.recombine import recombined
from skmm.data.tensors import TensorRows
from skmm.data.validation import check_labels, check_target, plain_target
from skmm.inspection._decision_values import decision_values, predicts_labels
from skmm.inspection._loss_increase import check_fitted, check_known_classes
from skmm.inspection._perturbation import JOINED, with_embeddings
from skmm.model_selection import _arguments as arguments

BLOCK = 2**14  # combinations that are predicted at once, at least those of one sample
MAX_COMBINATIONS = 10**7


def emap(estimator, X, y=None):
    r"""Project a model onto sums of functions of one modality each.

    Every modality of every sample is combined with those of all other samples. The
    outputs with all interactions averaged out are, for two modalities,

    .. math:: \hat f(t_i, v_i) = \frac1n \sum_j f(t_i, v_j) + \frac1n \sum_j f(t_j, v_i)
        - \frac1{n^2} \sum_{jk} f(t_j, v_k)

    If the projection scores as well as the model, interactions do not explain the
    performance.

    Parameters
    ----------
    estimator : estimator
        Fitted on other samples; any estimator that accepts a ModalityDict.
    X : ModalityDict, dict or DataFrame of n_samples
        Two or more modalities. All n_samples ** n_modalities combinations are
        predicted, at most 10 million: some hundred samples, or 200 for three
        modalities, are enough.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
        Required for the scores.

    Returns
    -------
    Bunch
        - logits : ndarray of shape (n_samples, n_outputs) or (n_samples,), projected;
          the values of regressors
        - original_logits : ndarray of the same shape: `decision_function`, or the
          logarithm of the probabilities where there is none
        - score, projected_score : float, R² or accuracy, of multilabel targets the
          subset accuracy; NaN without y
        - interaction_share : float in [0, 1], share of the variance of the outputs over
          all combinations that the projection does not explain; with several classes,
          of logits centred over the classes

    Raises
    ------
    ValueError
        If X has only one modality or too many samples, or y does not match.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    interaction_decomposition : The parts that are averaged out, by modalities.

    Notes
    -----
    `FusionClassifier`, `ResidualFusionClassifier`, their regressors,
    `GradientBlendingClassifier` and `MulMixClassifier` encode each sample once; only
    fusion and head run on all combinations, in blocks.

    The projection is the best additive model where modalities are independent. Where
    they are not, an additive part may represent an interaction.

    References
    ----------
    Hessel and Lee, "Does my multimodal model learn cross-modal interactions? It's
    harder to tell than you might think!", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.inspection import emap
    >>> signs = np.array([[1.0], [-1.0]])
    >>> X = {"a": np.tile(signs, (50, 1)), "b": np.repeat(signs, 50, axis=0)}
    >>> y = X["a"][:, 0] == X["b"][:, 0]
    >>> model = FusionClassifier(lr=0.01, max_epochs=60, random_state=0).fit(X, y)
    >>> found = emap(model, X, y)
    >>> found.score, found.projected_score < 0.8, found.interaction_share > 0.8
    (1.0, True, True)
    """
    X = _checked(estimator, X, y, "emap")
    grid = Grid(estimator, X, "emap")
    original = grid.given[grid.names].reshape(grid.shape)
    parts = [grid.part((name,)) for name in grid.names]
    projected = (grid.given[()] + sum(parts)).reshape(grid.shape)
    return Bunch(
        logits=projected,
        original_logits=original,
        score=_score(estimator, original, y, grid.labels),
        projected_score=_score(estimator, projected, y, grid.labels),
        interaction_share=grid.interaction_share(),
    )


def interaction_decomposition(estimator, X):
    r"""Split a model's outputs into parts of one, two and more modalities.

    The part of a set of modalities is the mean output given those of a sample, minus
    the parts of all smaller sets:

    .. math:: f_S(x) = \sum_{T \subseteq S} (-1)^{|S| - |T|} \, E[f \mid x_T]

    Parameters
    ----------
    estimator : estimator
        Fitted on other samples; any estimator that accepts a ModalityDict.
    X : ModalityDict, dict or DataFrame of n_samples
        See `emap`.

    Returns
    -------
    Bunch
        - orders : ndarray of shape (n_modalities, n_samples, n_outputs) or
          (n_modalities, n_samples): contributions of single modalities, including the
          mean of all; of pairs; of triples; and so on. Their sum is the model's output.
        - parts : dict of tuple of str to ndarray of shape (n_samples, n_outputs) or
          (n_samples,); that of () is the mean
        - table : DataFrame, one row per set of modalities: order, and size, the root
          mean square of its part; with several classes centred over the classes
        - interaction_share : float, see `emap`

    Raises
    ------
    ValueError, NotFittedError
        See `emap`.

    References
    ----------
    Wörtwein et al., "Beyond additive fusion: learning non-additive multimodal
    interactions", 2022, whose unimodal, bimodal and trimodal contributions these are.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionRegressor
    >>> from skmm.inspection import interaction_decomposition
    >>> rng = np.random.default_rng(0)
    >>> X = {name: rng.normal(size=(40, 1)) for name in "abc"}
    >>> y = X["a"][:, 0] + X["b"][:, 0] * X["c"][:, 0]
    >>> model = FusionRegressor(lr=0.01, max_epochs=100, random_state=0).fit(X, y)
    >>> table = interaction_decomposition(model, X).table
    >>> sorted(table["size"].nlargest(2).index)
    ['a', 'b + c']
    """
    X = _checked(estimator, X, None, "interaction_decomposition")
    count, names = X.shape[1], tuple(X)
    sets = [some for k in range(count + 1) for some in _subsets(names, k)]
    labels = [JOINED.join(some) for some in sets[1:]]
    check_labels(labels, "parts")
    grid = Grid(estimator, X, "interaction_decomposition")
    parts = {some: grid.part(some) for some in sets}
    orders = [
        sum(parts[s] for s in sets if max(1, len(s)) == k + 1) for k in range(count)
    ]
    rows = [
        {"order": len(s), "size": float(np.sqrt(grid.squares(parts[s]).mean()))}
        for s in sets[1:]
    ]
    index = pd.Index(labels, name="modalities")
    return Bunch(
        orders=np.array([order.reshape(grid.shape) for order in orders]),
        parts={some: part.reshape(grid.shape) for some, part in parts.items()},
        table=pd.DataFrame(rows, index),
        interaction_share=grid.interaction_share(),
    )


def _checked(estimator, X, y, name):
    constraints = {"estimator": arguments.FITTED}
    validate_parameter_constraints(constraints, {"estimator": estimator}, name)
    check_has_samples(X)
    X = check_modalities(modalities_made(estimator, X), finite=False)
    check_fitted(estimator, name)
    if y is not None:
        _check_target(estimator, X, y)
    if X.shape[1] < 2:
        raise ValueError(f"{name} needs at least two modalities; X has {list(X)}.")
    return X


def _check_target(estimator, X, y):
    check_target(estimator, y, len(X), X)
    if not is_classifier(estimator):
        return
    check_known_classes(estimator, np.asarray(y))
    axes = 2 if predicts_labels(estimator, X) else 1
    if np.ndim(y) != axes:
        expected = "zeros and ones of shape (n_samples, n_labels)"
        expected = expected if axes == 2 else "one class per sample"
        raise ValueError(f"y must be {expected}, like in fit; got shape {np.shape(y)}.")


def _score(estimator, outputs, y, labels):
    y = y if y is None else np.asarray(plain_target(y))
    if y is not None and measured_entries(y) is not None:
        return masked_accuracy(y, outputs > 0) if labels else masked_r2(y, outputs)
    if y is None:
        return np.nan
    if not is_classifier(estimator):
        return float(r2_score(y, outputs))
    if labels:
        return float(accuracy_score(y, outputs > 0))
    places = outputs.argmax(axis=1) if outputs.ndim == 2 else (outputs > 0).astype(int)
    return float(accuracy_score(y, estimator.classes_[places]))


class Grid:
    """Means of a model's outputs over all combinations of samples.

    In the grid of n_samples ** n_modalities combinations the modalities are
    independent. A mean over some of its axes is the mean output given the modalities of
    the other axes.

    Parameters
    ----------
    estimator : fitted estimator
    X : ModalityDict of n_samples
    name : str
        Calling function, for errors.

    Attributes
    ----------
    names : tuple of str
    given : dict of tuple of str to ndarray of shape (n_samples, n_outputs)
        For every set of modalities the mean output given those of each sample; () is
        the mean of all, all names are the outputs themselves.
    square : float
        Mean over the grid of the sum of squares of the centred outputs, minus `offset`.
    offset : ndarray of shape (n_outputs,)
        A number near the mean of each output, subtracted before squaring.
    shape : tuple
        Shape of the model's outputs for all samples.
    labels : bool
        Whether the outputs are multilabel.
    """

    def __init__(self, estimator, X, name):
        self.names, self.n = tuple(X), len(X)
        self._check_size(name)
        self.labels = predicts_labels(estimator, X)
        self.classes = is_classifier(estimator) and not self.labels
        self.model, self.X = with_embeddings(estimator, X)
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
        """Return what a set of modalities adds to all its subsets, for every sample."""
        parts = (
            (k, some) for k in range(len(names) + 1) for some in _subsets(names, k)
        )
        return sum((-1) ** (len(names) - k) * self.given[some] for k, some in parts)

    def interaction_share(self):
        """Return the share of the variance that sums over modalities do not explain."""
        mean = self.centred(self.given[()][:1]) - self.offset
        variance = self.square - float(np.square(mean).sum())
        if variance <= 1e-12 * self._scale():
            return 0.0
        parts = [self.centred(self.part((name,))) for name in self.names]
        additive = sum(float(np.square(part).sum(axis=1).mean()) for part in parts)
        return float(np.clip(1 - additive / variance, 0, 1))

    def _scale(self):
        """Return the square of what is rounded: logits are float32, values float64."""
        logits = self.classes or self.labels
        return self.square + logits * float(np.square(self.offset).sum())

    def centred(self, values):
        """Return logits minus their mean over classes, with equal probabilities."""
        if not self.classes or values.shape[-1] == 1:
            return values
        return values - values.mean(axis=-1, keepdims=True)

    def squares(self, part):
        """Return the sum of squares of a centred part, for every sample."""
        return np.square(self.centred(part)).sum(axis=1)

    def _check_size(self, name):
        count = len(self.names)
        if (size := self.n**count) > MAX_COMBINATIONS:
            most = int(MAX_COMBINATIONS ** (1 / count))
            raise ValueError(
                f"{name}: {self.n} samples of {count} modalities have {size:.1e} "
                f"combinations; give at most {most} samples, such as X[:{most}]."
            )

    def _sets(self):
        axes = range(len(self.names))
        return [some for k in range(len(axes) + 1) for some in _subsets(axes, k)]

    def _outputs(self, X):
        return np.asarray(decision_values(self.model, X, self.labels), float)

    def _cells(self, first):
        """Return outputs for all combinations of the first modality of some samples."""
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
        """Add means over the other axes, on the diagonal of the given axes."""
        others = tuple(a for a in range(1, len(self.names)) if a not in axes)
        means = cells.mean(axis=others)
        kept = len(axes) - (0 in axes)
        if 0 in axes:
            total[rows] = means[(np.arange(len(rows)), *[rows] * kept)]
        else:
            every = (np.arange(self.n),) * kept
            total += means.sum(axis=0)[every] / self.n


def _subsets(names, size):
    """Return all tuples of `size` of the names."""
    return list(combinations(names, size))
