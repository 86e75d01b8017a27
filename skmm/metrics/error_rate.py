"""The balanced error rate, and its scorer."""

import numpy as np
from sklearn.metrics import make_scorer, recall_score
from sklearn.utils import column_or_1d


def classification_error_rate(y_true, y_pred, *, sample_weight=None):
    r"""Compute the balanced error rate, one minus the mean recall of the classes.

    .. math:: E_r = 1 - \frac{\text{specificity} + \text{sensitivity}}{2}

    With more than two classes, one minus the mean recall of the classes in `y_true`.
    A constant prediction among K classes scores ``1 - 1 / K``, whatever the class
    sizes. Lower is better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels. A label that does not occur in `y_true` is wrong, but is not
        averaged over as a further class, and does not warn.
    sample_weight : array-like of shape (n_samples,), default=None
        A class whose weights are all zero is left out.

    Returns
    -------
    float
        Between 0 (all right) and 1 (all wrong).

    Raises
    ------
    ValueError
        If the labels are continuous, have several columns, or differ in length.

    See Also
    --------
    sklearn.metrics.balanced_accuracy_score : One minus this rate; warns if `y_pred`
        has labels that are not in `y_true`.

    Notes
    -----
    The usual measure for ready biodegradability, whose classes are 1 : 2 [1]_.

    References
    ----------
    .. [1] K. Mansouri, T. Ringsted, D. Ballabio, R. Todeschini, V. Consonni.
       Quantitative Structure-Activity Relationship Models for Ready Biodegradability
       of Chemicals. Journal of Chemical Information and Modeling 53(4), 867-878,
       2013. doi:10.1021/ci4000213

    Examples
    --------
    >>> from skmm.metrics import classification_error_rate
    >>> y_true = ["NRB", "NRB", "NRB", "NRB", "RB", "RB"]
    >>> y_pred = ["NRB", "NRB", "NRB", "RB", "RB", "NRB"]
    >>> round(classification_error_rate(y_true, y_pred), 3)
    0.375
    """
    recall = recall_score(
        column_or_1d(y_true),
        y_pred,
        average="macro",
        sample_weight=sample_weight,
        zero_division=np.nan,  # leaves out labels that are only in y_pred
    )
    return float(1.0 - recall)


#: Scorer for ``scoring=``; returns negative error rates, so that greater is better.
classification_error_rate_scorer = make_scorer(
    classification_error_rate, greater_is_better=False
)
