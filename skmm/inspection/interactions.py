"""What a model gets from its modalities one by one, and from their interplay."""

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Bunch

from skmm.data import check_modalities
from skmm.data.validation import check_labels
from skmm.inspection._asking import tells_labels
from skmm.inspection._grid import Grid, subsets
from skmm.inspection._losing import require_fitted, require_known_labels
from skmm.inspection._replacing import JOINED
from skmm.targets import check_target


def emap(estimator, X, y=None):
    r"""Project a model onto sums of functions of one modality each.

    Every modality of every row meets those of all other rows; what remains of the
    outputs when all interactions are averaged out is, for two modalities,

    .. math:: \hat f(t_i, v_i) = \frac1n \sum_j f(t_i, v_j) + \frac1n \sum_j f(t_j, v_i)
        - \frac1{n^2} \sum_{jk} f(t_j, v_k)

    If the projection is as good as the model, interactions are not what it is good for.

    Parameters
    ----------
    estimator : estimator
        Fitted, on other rows; any that takes a ModalityDict.
    X : ModalityDict, dict or DataFrame of n rows
        Two or more modalities. All n ** M combinations are asked about, at most 10
        million: a sample of some hundred rows, or of 200 for three modalities, will do.
    y : array-like of shape (n,) or (n, K), optional
        For the scores.

    Returns
    -------
    Bunch
        - logits : ndarray of shape (n, K) or (n,), projected; of regressors values
        - original_logits : ndarray of the same shape: what `decision_function` says,
          or the logarithm of the probabilities where there is none
        - score, projected_score : float, R² or accuracy, of several labels that of
          all in a row together; NaN without y
        - interaction_share : float in [0, 1], share of the variance of the outputs over
          all combinations that the projection has not; for several classes of logits
          that are centred over the classes

    Raises
    ------
    ValueError
        If there is one modality only, there are too many rows, or y does not fit.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    interaction_decomposition : The parts that are left out, by modalities.

    Notes
    -----
    `FusionClassifier`, `ResidualFusionClassifier`, their regressors,
    `GradientBlendingClassifier` and `MulMixClassifier` encode each row once; only
    fusion and head see all combinations. These are asked in blocks.

    The projection is the best additive model where modalities are independent. In rows
    in which they are not, an additive part may stand for what is an interaction.

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

    The part of a set of modalities is what the model says on average given those of a
    row, less the parts of all smaller sets:

    .. math:: f_S(x) = \sum_{T \subseteq S} (-1)^{|S| - |T|} \, E[f \mid x_T]

    Parameters
    ----------
    estimator : estimator
        Fitted, on other rows; any that takes a ModalityDict.
    X : ModalityDict, dict or DataFrame of n rows
        As for `emap`.

    Returns
    -------
    Bunch
        - orders : ndarray of shape (M, n, K) or (M, n): contributions of single
          modalities, with the mean of all; of pairs; of three; and so on. Their sum is
          the model.
        - parts : dict of tuple of str to ndarray of shape (n, K) or (n,); that of () is
          the mean
        - table : DataFrame, one row per set of modalities: order, and size, the root
          mean square of its part; for several classes centred over the classes
        - interaction_share : float, as of `emap`

    Raises
    ------
    ValueError, NotFittedError
        As for `emap`.

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
    sets = [some for k in range(count + 1) for some in subsets(names, k)]
    labels = [JOINED.join(some) for some in sets[1:]]
    check_labels(labels, "parts")
    grid = Grid(estimator, X, "interaction_decomposition")
    parts = {some: grid.part(some) for some in sets}
    orders = [
        sum(parts[s] for s in sets if max(1, len(s)) == k + 1) for k in range(count)
    ]
    rows = [
        {"order": len(s), "size": float(np.sqrt(_squares(grid, parts[s]).mean()))}
        for s in sets[1:]
    ]
    index = pd.Index(labels, name="modalities")
    return Bunch(
        orders=np.array([order.reshape(grid.shape) for order in orders]),
        parts={some: part.reshape(grid.shape) for some, part in parts.items()},
        table=pd.DataFrame(rows, index),
        interaction_share=grid.interaction_share(),
    )


def _squares(grid, part):
    return np.square(grid.centred(part)).sum(axis=1)


def _checked(estimator, X, y, name):
    X = check_modalities(X, finite=False)
    require_fitted(estimator, name)
    if y is not None:
        _check_target(estimator, X, y)
    if X.shape[1] < 2:
        raise ValueError(
            f"{name} needs two or more modalities, which may interact; X has {list(X)}."
        )
    return X


def _check_target(estimator, X, y):
    check_target(estimator, y, len(X))
    if not is_classifier(estimator):
        return
    require_known_labels(estimator, np.asarray(y))
    axes = 2 if tells_labels(estimator, X) else 1
    if np.ndim(y) != axes:
        wanted = "zeros and ones, (n, labels)" if axes == 2 else "one class per row"
        raise ValueError(f"y must be {wanted}, as in fit; got shape {np.shape(y)}.")


def _score(estimator, outputs, y, labels):
    if y is None:
        return np.nan
    if not is_classifier(estimator):
        return float(r2_score(y, outputs))
    if labels:
        return float(accuracy_score(y, outputs > 0))
    places = outputs.argmax(axis=1) if outputs.ndim == 2 else (outputs > 0).astype(int)
    return float(accuracy_score(y, estimator.classes_[places]))
