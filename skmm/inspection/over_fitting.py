"""Overfitting of a model relative to its gain, between two times of its training."""

import numpy as np
from sklearn.utils import Bunch, check_array

from skmm.training import blending_weights
from skmm.training.blending import raw_weights


def overfitting_to_generalization_ratio(train_loss, valid_loss):
    r"""Compare the changes of training loss and validation loss.

    With training losses L and validation losses L*, overfitting is O = L* - L. Between
    the first and the last of some times of training

    .. math:: \Delta G = L^*_{first} - L^*_{last}, \qquad
        \Delta O = O_{last} - O_{first}, \qquad
        \mathrm{OGR} = \lvert \Delta O / \Delta G \rvert

    Parameters
    ----------
    train_loss, valid_loss : array-like of shape (n_times,) or (n_times, n_models)
        Losses at two or more times, such as the columns of ``history_`` of an estimator
        with early stopping.

    Returns
    -------
    Bunch
        The first four are float, or ndarray of shape (n_models,):

        - gain : ΔG; negative where the validation loss increased
        - overfitting : ΔO
        - ratio : infinite where ΔG is zero
        - blending_weight : ΔG / ΔO², the optimal weight of a loss among several, up to
          a common factor; 0 where ΔG is not positive; absolute values of ΔO below 1e-3
          are replaced by 1e-3
        - weights : ndarray of shape (n_models,), the same scaled to a sum of one

    Raises
    ------
    ValueError
        If there are fewer than two times, losses are not finite, or shapes differ.

    See Also
    --------
    skmm.GradientBlendingClassifier : Trains with these weights.

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
            "train_loss and valid_loss must have the same shape; got "
            f"{train.shape} and {valid.shape}."
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
            f"{name} must have shape (n_times,) or (n_times, n_models), with at least "
            f"two times; got {values.shape}."
        )
    return values
