"""How far predicted probabilities are from the frequencies of what they predict."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.stats import norm as normal
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from skmm._sklearn import (
    Interval,
    StrOptions,
    check_sample_weight,
    validate_parameter_constraints,
)

CONSTRAINTS = {
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
}
NORMS = {
    "l1": lambda gap, share, variance: share @ np.abs(gap),
    "max": lambda gap, share, variance: np.abs(gap).max(),
    "squared": lambda gap, share, variance: share @ gap**2,
    "squared_debiased": lambda gap, share, variance: (
        share @ np.where(np.isnan(variance), 0.0, gap**2 - variance)
    ),
}
SUM_TOLERANCE = 0.01  # half precision


def expected_calibration_error(
    y_true,
    y_proba,
    *,
    labels=None,
    n_bins=15,
    strategy="uniform",
    norm="l1",
    sample_weight=None,
):
    r"""Compute the expected calibration error (ECE) of predicted probabilities.

    The samples are grouped into B bins of similar probability. Bin b has a share
    :math:`w_b` of the samples, a mean predicted probability :math:`\bar p_b` and a
    frequency :math:`\bar y_b` of what was predicted:

    .. math:: \mathrm{ECE} = \sum_{b=1}^{B} w_b \lvert \bar y_b - \bar p_b \rvert

    Two classes: probability and frequency of the second class, as in
    `sklearn.calibration.calibration_curve`. More classes: the probability of the
    predicted class (its confidence) and the accuracy. Lower is better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predicted probabilities. One column is the probability of the second class.
    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the columns of `y_proba`, such as ``model.classes_``.
        None is the sorted classes in `y_true`.
    n_bins : int, default=15
        Number of bins. Empty bins have no effect.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width on [0, 1], or of equally many samples. A probability on the
        edge of two bins is in the lower one.
    norm : {"l1", "max", "squared", "squared_debiased"}, default="l1"
        - "l1" : the formula above
        - "max" : the largest difference of a bin, the maximum calibration error
        - "squared" : the mean of the squared differences
        - "squared_debiased" : the same without its bias from the finite number of
          samples; may be negative, and is zero on average for calibrated predictions
    sample_weight : array-like of shape (n_samples,), default=None
        A weight of k counts a sample k times.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `y_proba` has values outside [0, 1], rows that do not sum to one, or another
        number of columns than classes; or if labels are unknown or continuous.

    See Also
    --------
    reliability_curve : The bins.
    skmm.inspection.ReliabilityDisplay : Plot of the bins.
    sklearn.metrics.brier_score_loss : A proper scoring rule, which calibration is a
        part of.

    Notes
    -----
    The ECE is biased upwards: of n samples in a bin, :math:`\bar y_b` differs from
    :math:`\bar p_b` by chance. Compare models on the same number of samples and bins.
    "squared_debiased" subtracts from each squared difference an unbiased estimate of
    the variance of the difference,

    .. math:: \sum_b w_b \left[ (\bar y_b - \bar p_b)^2 - \frac{s_b^2}{n_b} \right]

    with the sample variance :math:`s_b^2` of :math:`y_i - p_i` in the bin, with
    :math:`n_b - 1` in its denominator. Where all probabilities of a bin are equal,
    this is the estimator of Kumar, Liang and Ma [3]_, who subtract
    :math:`\bar y_b (1 - \bar y_b) / (n_b - 1)`, after Bröcker [4]_. Bins of one sample
    count as zero.

    A model that predicts the class frequencies for every sample has an ECE of zero:
    calibration does not measure how well classes are told apart.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern Neural
       Networks. ICML 2017, eq. 3 and 5.
    .. [2] M. P. Naeini, G. F. Cooper, M. Hauskrecht. Obtaining Well Calibrated
       Probabilities Using Bayesian Binning. AAAI 2015.
    .. [3] A. Kumar, P. Liang, T. Ma. Verified Uncertainty Calibration. NeurIPS 2019.
    .. [4] J. Bröcker. Estimating Reliability and Resolution of Probability Forecasts
       through Decomposition of the Empirical Score. Climate Dynamics 39, 2012.

    Examples
    --------
    >>> from skmm.metrics import expected_calibration_error
    >>> y_true = [0, 0, 1, 1]
    >>> y_proba = [0.1, 0.1, 0.9, 0.7]  # of class 1; gaps of 0.1, 0.1 and 0.3
    >>> round(expected_calibration_error(y_true, y_proba), 3)
    0.15
    >>> y_proba = [[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6]]
    >>> round(expected_calibration_error(["a", "b", "b"], y_proba, labels="abc"), 3)
    0.133
    """
    constraints = CONSTRAINTS | {"norm": [StrOptions(set(NORMS))]}
    name = "expected_calibration_error"
    validate_parameter_constraints(constraints, locals(), name)
    curve = reliability_curve(
        y_true,
        y_proba,
        labels=labels,
        n_bins=n_bins,
        strategy=strategy,
        sample_weight=sample_weight,
    )
    gap = (curve["frequency"] - curve["probability"]).to_numpy()
    share = (curve["weight"] / curve["weight"].sum()).to_numpy()
    return float(NORMS[norm](gap, share, curve["gap_variance"].to_numpy()))


def reliability_curve(
    y_true,
    y_proba,
    *,
    labels=None,
    n_bins=15,
    strategy="uniform",
    confidence_level=0.95,
    sample_weight=None,
):
    r"""Compare predicted probabilities with frequencies, in bins of the probability.

    Parameters
    ----------
    y_true, y_proba, labels : array-likes
        See `expected_calibration_error`, which is a mean over these bins.
    n_bins : int, default=15
    strategy : {"uniform", "quantile"}, default="uniform"
    confidence_level : float, default=0.95
        Of the intervals of the frequencies.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    DataFrame
        One row per bin that has samples:

        - left, right : edges of the bin, which contains `right` but not `left`; the
          first bin contains both
        - weight : number of samples, or sum of their weights
        - probability : mean predicted probability, of the second of two classes or of
          the predicted one of more classes
        - frequency : share of samples of the second class, or accuracy
        - lower, upper : Wilson score interval of the frequency
        - gap_variance : estimated variance of frequency - probability; NaN for a bin
          of one sample

    Raises
    ------
    ValueError
        See `expected_calibration_error`.

    See Also
    --------
    sklearn.calibration.calibration_curve : Probabilities and frequencies only, for two
        classes.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22, 1927.

    Examples
    --------
    >>> from skmm.metrics import reliability_curve
    >>> curve = reliability_curve([0, 1, 0, 1], [0.1, 0.3, 0.6, 0.8], n_bins=2)
    >>> curve[["left", "right", "weight", "probability", "frequency"]]
       left  right  weight  probability  frequency
    0   0.0    0.5     2.0          0.2        0.5
    1   0.5    1.0     2.0          0.7        0.5
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "reliability_curve")
    hit, p = _hits(y_true, y_proba, labels)
    weight = check_sample_weight(
        sample_weight, p, dtype=np.float64, ensure_non_negative=True
    )
    hit, p, weight = (values[weight > 0] for values in (hit, p, weight))
    edges = _edges(p, weight, n_bins, strategy)
    bins = np.searchsorted(edges[1:-1], p)
    found, n, probability, frequency, variance = _means(bins, hit, p, weight)
    lower, upper = _wilson_interval(frequency, n, confidence_level)
    return pd.DataFrame(
        {
            "left": edges[found],
            "right": edges[found + 1],
            "weight": n,
            "probability": probability,
            "frequency": frequency,
            "lower": lower,
            "upper": upper,
            "gap_variance": variance,
        }
    )


def _edges(p, weight, n_bins, strategy):
    quantiles = np.arange(n_bins + 1) / n_bins
    if strategy == "uniform":
        return quantiles
    return np.quantile(p, quantiles, weights=weight, method="inverted_cdf")


def _means(bins, hit, p, weight):
    """Bins that have samples, their weighted means, and the variance of the gap."""
    found, bins = np.unique(bins, return_inverse=True)
    n = np.bincount(bins, weight)
    probability = np.bincount(bins, weight * p) / n
    frequency = np.bincount(bins, weight * hit) / n
    residual = hit - p - (frequency - probability)[bins]
    squares = np.bincount(bins, weight * residual**2)
    variance = np.full(len(n), np.nan)
    several = n > 1
    variance[several] = (squares / n)[several] / (n[several] - 1)
    return found, n, probability, frequency, variance


def _wilson_interval(share, n, level):
    z = normal.ppf((1 + level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


# -- labels and probabilities ------------------------------------------------------


def _hits(y_true, y_proba, labels):
    """Whether what was predicted is true, and its predicted probability."""
    p = _probabilities(y_proba)
    y = column_or_1d(y_true)
    check_consistent_length(y, p)
    codes = _codes(y, labels, p.shape[1])
    if p.shape[1] == 2:
        return (codes == 1).astype(float), p[:, 1]
    predicted = p.argmax(axis=1)
    return (codes == predicted).astype(float), p[np.arange(len(p)), predicted]


def _probabilities(y_proba):
    p = check_array(
        y_proba, ensure_2d=False, dtype=np.float64, input_name="y_proba", allow_nd=True
    )
    if p.ndim > 2:
        raise ValueError(
            "y_proba must have shape (n_samples,) or (n_samples, n_classes); got "
            f"{p.shape}."
        )
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"y_proba must be between 0 and 1; got {p.min():g} to {p.max():g}."
        )
    if p.ndim == 1 or p.shape[1] == 1:
        p = p.reshape(-1)
        return np.stack([1 - p, p], axis=1)
    total = p.sum(axis=1)
    if np.abs(total - 1).max() > SUM_TOLERANCE:
        worst = np.abs(total - 1).argmax()
        raise ValueError(
            f"the rows of y_proba must sum to one; row {worst} sums to "
            f"{total[worst]:g}. Score several labels column by column."
        )
    return p


def _codes(y, labels, n_classes):
    """Numbers of the columns of the true classes."""
    check_classification_targets(y)
    classes = np.unique(y) if labels is None else np.asarray(list(labels))
    where = "y_true" if labels is None else "labels"
    if len(classes) != n_classes:
        fix = " Pass all classes as labels." if labels is None else ""
        raise ValueError(
            f"{where} must have {n_classes} classes, one for each column of y_proba; "
            f"got {len(classes)}: {classes.tolist()}.{fix}"
        )
    index = pd.Index(classes)
    if not index.is_unique:
        raise ValueError(f"labels must be distinct; got {classes.tolist()}.")
    codes = index.get_indexer(y)
    if (codes < 0).any():
        unknown = np.unique(y[codes < 0]).tolist()
        raise ValueError(f"y_true has labels that are not in labels: {unknown}.")
    return codes
