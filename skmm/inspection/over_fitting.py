"""How much a model over-fits for what it gains, between two moments of its training."""

import numpy as np
from sklearn.utils import Bunch, check_array

from skmm.training import blending_weights
from skmm.training.blending import raw_weights


def overfitting_to_generalization_ratio(train_loss, valid_loss):
    r"""Compare what training changed on rows that it saw and on rows that it did not.

    With training losses L and validation losses L*, over-fitting is O = L* - L. Between
    the first and the last of some moments of training

    .. math:: \Delta G = L^*_{first} - L^*_{last}, \qquad
        \Delta O = O_{last} - O_{first}, \qquad
        \mathrm{OGR} = \lvert \Delta O / \Delta G \rvert

    Parameters
    ----------
    train_loss, valid_loss : array-like of shape (n,) or (n, H)
        Losses at two or more moments, of one model or of H; the columns of ``history_``
        of an estimator with early stopping will do.

    Returns
    -------
    Bunch
        - gain : float or ndarray (H,), ΔG; negative where the validation loss rose
        - overfitting : float or ndarray (H,), ΔO
        - ratio : float or ndarray (H,), infinite without a gain or a loss
        - blending_weight : float or ndarray (H,), ΔG / ΔO², the best weight of a loss
          among several but for a common factor; 0 where ΔG is not positive, and
          absolute values of ΔO below 1e-3 count as that
        - weights : ndarray (H,), the same with a sum of one

    Raises
    ------
    ValueError
        If there are fewer than two moments, losses are not finite, or shapes differ.

    See Also
    --------
    skmm.GradientBlendingClassifier : trains with these weights.

    References
    ----------
    Wang, Tran and Feiszli, "What makes training multi-modal classification networks
    hard?", 2020, eq. 2 to 4.

    Examples
    --------
    >>> from skmm.inspection import overfitting_to_generalization_ratio
    >>> found = overfitting_to_generalization_ratio([2.0, 1.0], [2.1, 1.4])
    >>> round(found.gain, 3), round(found.overfitting, 3), round(found.ratio, 3)
    (0.7, 0.3, 0.429)
    >>> round(found.blending_weight, 4)
    7.7778
    """
    train, valid = _losses(train_loss, "train_loss"), _losses(valid_loss, "valid_loss")
    if train.shape != valid.shape:
        raise ValueError(
            f"train_loss has shape {train.shape}, valid_loss {valid.shape}: they must "
            "be of the same moments and models."
        )
    gain = valid[0] - valid[-1]
    overfitting = (valid[-1] - train[-1]) - (valid[0] - train[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(overfitting / gain)
    found = {
        "gain": gain,
        "overfitting": overfitting,
        "ratio": np.where(gain == 0, np.inf, ratio),
        "blending_weight": raw_weights(gain, overfitting),
    }
    found = {name: v if v.ndim else float(v) for name, v in found.items()}
    return Bunch(**found, weights=blending_weights(gain, overfitting))


def _losses(values, name):
    options = {"ensure_2d": False, "allow_nd": True, "dtype": np.float64}
    values = check_array(values, **options, input_name=name)
    if values.ndim > 2 or len(values) < 2:
        raise ValueError(
            f"{name} must be losses at two or more moments, (n,) or (n, H); got shape "
            f"{values.shape}."
        )
    return values
