"""Scores that scikit-learn does not have."""

import numpy as np
from sklearn.metrics import make_scorer, recall_score
from sklearn.utils import column_or_1d

__all__ = ["classification_error_rate", "classification_error_rate_scorer"]


def classification_error_rate(y_true, y_pred, *, sample_weight=None):
    r"""Balanced error rate: the mean share of each class that is predicted wrong.

    .. math:: E_r = 1 - \frac{\text{specificity} + \text{sensitivity}}{2}

    With more than two classes, one minus the mean recall of the classes in `y_true`.
    A constant prediction among K classes scores ``1 - 1 / K``, however unequal the
    classes are. Smaller is better.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True labels.
    y_pred : array-like of shape (n,)
        Predicted labels. One that never occurs in `y_true` is just wrong: it is no
        further class to average over, and brings no warning.
    sample_weight : array-like of shape (n,), default=None
        A class whose weights are all zero does not count.

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
    sklearn.metrics.balanced_accuracy_score : one minus this rate; warns if `y_pred`
        has labels that `y_true` has not.

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
        zero_division=np.nan,  # leaves out labels that only y_pred has
    )
    return float(1.0 - recall)


#: For ``scoring=``; its values are negative error rates, so that greater is better.
classification_error_rate_scorer = make_scorer(
    classification_error_rate, greater_is_better=False
)
