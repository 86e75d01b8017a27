"""Modalities that no training sample had."""

from skmm._warnings import warn

UNSEEN = ".*counts? as missing in every prediction, even where"  # pattern, to expect it


def note_seen(estimator, seen, n_samples, once=()):
    """Set `modalities_seen_`, and warn of the modalities that are not in it.

    Parameters
    ----------
    estimator : estimator
        With `modalities_in_`.
    seen : collection of str
        Modalities that were learned from so far.
    n_samples : int
        Number of training samples, for the warning.
    once : collection of str, default=()
        Modalities that one sample has, which is too few for a BatchNorm.

    Returns
    -------
    list of str
        The modalities that were never seen.
    """
    names = estimator.modalities_in_
    estimator.modalities_seen_ = [name for name in names if name in seen]
    unseen = [name for name in names if name not in seen]
    if never := [name for name in unseen if name not in once]:
        warn_unseen(never, f"missing in all {n_samples} training samples")
    if few := [name for name in unseen if name in once]:
        reason = f"present in 1 of {n_samples} training samples, too few for BatchNorm"
        warn_unseen(few, reason)
    return unseen


def warn_unseen(names, reason):
    """Warn that modalities count as missing in predictions.

    Parameters
    ----------
    names : list of str
    reason : str
        Such as "missing in all training samples".
    """
    listed = ", ".join(repr(name) for name in names)
    what, it = f"modality {listed} is", "it counts"
    if len(names) > 1:
        what, it = f"modalities {listed} are", "they count"
    warn(
        f"{what} {reason}: {it} as missing in every prediction, even where present. To "
        "use a modality, fit on samples in which it is present."
    )


def without_unseen(X, estimator):
    """Mark modalities as missing that were missing in every training sample.

    Parameters
    ----------
    X : ModalityDict
    estimator : estimator
        Fitted. Without `modalities_seen_`, such as loaded from a file of an earlier
        version, all modalities were seen.
    """
    seen = getattr(estimator, "modalities_seen_", X)
    for name in X:
        if name not in seen and X.present[name].any():
            X = X.with_missing(name)
    return X
