"""Samples that a single modality predicts correctly and the fusion does not."""

from collections.abc import Mapping

import numpy as np
from sklearn.utils import Bunch, column_or_1d
from sklearn.utils.multiclass import unique_labels

from skmm.base import takes_modalities
from skmm.base.modality_subset import modalities_made
from skmm.base.training_data import check_has_samples
from skmm.data import check_modalities
from skmm.data.validation import check_names, check_target


def over_learning(fused, unimodal, X, y):
    """Count errors of a fused model where a single modality predicts correctly.

    Parameters
    ----------
    fused : fitted classifier, or array-like of shape (n_samples,)
        The model of all modalities, or its predictions.
    unimodal : dict of str to fitted classifier or array-like
        One model per modality, or its predictions. A model with a parameter
        `modalities`, or a Pipeline with such a step, gets X; other models get X[name].
        A prediction for a sample whose modality is missing counts as wrong.
    X : ModalityDict, dict, DataFrame or array-like of n_samples
        Samples that no model was trained on.
    y : array-like of shape (n_samples,)

    Returns
    -------
    Bunch
        - over_learning_error : float, share of all samples that the fused model
          predicts wrongly and at least one unimodal model correctly
        - conditional_error : float, the same as a share of the samples that at least
          one unimodal model predicts correctly; NaN if there are none
        - error : float, of the fused model
        - unimodal_errors : dict of str to float
        - covered : bool ndarray of shape (n_samples,), samples that at least one
          unimodal model predicts correctly
        - over_learnt : bool ndarray of shape (n_samples,), those of them that the fused
          model predicts wrongly

    Raises
    ------
    ValueError
        If `unimodal` is empty, names an unknown modality, or predictions do not fit y.

    References
    ----------
    Liu et al., "Learn to Combine Modalities in Multimodal Deep Learning", 2018, Table
    4, whose figures are shares of all samples.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import over_learning
    >>> y = np.array([0, 0, 1, 1])
    >>> alone = {"a": [0, 1, 0, 0], "b": [0, 0, 0, 1]}
    >>> found = over_learning([1, 1, 1, 1], alone, {"a": y, "b": y}, y)
    >>> found.error, found.over_learning_error, round(found.conditional_error, 2)
    (0.5, 0.5, 0.67)
    """
    check_has_samples(X)
    X = check_modalities(modalities_made(fused, X))
    y = column_or_1d(check_target(fused, y, len(X), X))
    if not isinstance(unimodal, Mapping) or not unimodal:
        raise ValueError(
            "unimodal must have at least one model, in a dict by modality; got "
            f"{unimodal!r}."
        )
    check_names(unimodal, X, "unimodal")
    wrong = _predicted(fused, X, y, "fused") != y
    right = {
        name: X.present[name]
        & (_predicted(model, X, y, f"unimodal[{name!r}]", name) == y)
        for name, model in unimodal.items()
    }
    covered = np.any(list(right.values()), axis=0)
    missed = covered & wrong
    return Bunch(
        over_learning_error=float(missed.mean()),
        conditional_error=float(missed[covered].mean()) if covered.any() else np.nan,
        error=float(wrong.mean()),
        unimodal_errors={name: float(1 - hit.mean()) for name, hit in right.items()},
        covered=covered,
        over_learnt=missed,
    )


def _predicted(model, X, y, where, name=None):
    """Return the labels that a model predicts, or the given labels."""
    if hasattr(model, "predict"):
        whole = name is None or takes_modalities(model)
        labels = model.predict(X if whole else X[name])
    else:
        labels = np.asarray(model)
    if labels.shape != y.shape:
        raise ValueError(
            f"{where} must be a fitted classifier or one label for each of the "
            f"{len(y)} samples of y; got predictions of shape {labels.shape}."
        )
    try:
        unique_labels(y, labels)
    except ValueError as error:
        raise ValueError(
            f"{where} and y must have labels of the same type: {error}"
        ) from error
    return labels
