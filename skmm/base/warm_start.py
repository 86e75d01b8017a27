"""Checks of `warm_start` and `partial_fit`, and the checkpoint of a fit."""

import numpy as np

from skmm.training.callbacks import LOSS
from skmm.training.checkpoint import ResumeFile, fit_key


def check_same_structure(estimator):
    """Check that no structural parameter has changed since the first fit."""
    now, then = estimator._structure_digests(), estimator._structure
    changed = sorted(key for key in now | then if now.get(key) != then.get(key))
    if changed:
        raise ValueError(
            f"{', '.join(changed)} changed since the first fit, but warm_start and "
            "partial_fit keep the net. Set warm_start=False, or clone the estimator."
        )


def check_same_classes(estimator, classes):
    """Check that partial_fit gets the same classes as at the first call."""
    if classes is None or np.array_equal(np.unique(classes), estimator.classes_):
        return
    raise ValueError(
        f"classes {list(classes)} differ from those of the first call, "
        f"{estimator.classes_.tolist()}."
    )


def check_partial_fit(estimator):
    """Check that no parameter is set that partial_fit does not support."""
    if estimator.early_stopping not in (False, "auto"):
        raise ValueError(
            f"partial_fit does not support early_stopping={estimator.early_stopping!r}."
        )
    if estimator.monitor != LOSS:
        raise ValueError(
            f"partial_fit does not support monitor={estimator.monitor!r}, since it has "
            "no validation set."
        )
    if estimator.stages is not None:
        raise ValueError("partial_fit does not support stages; it trains all parts.")
    if estimator.checkpoint is not None:
        raise ValueError("partial_fit does not use checkpoint; call save instead.")
    if estimator.class_weight == "balanced":
        raise ValueError(
            "partial_fit does not support class_weight='balanced', since it sees only "
            "part of the data; pass a dict."
        )


def resume_file(estimator, data):
    """Callback that writes and reads the checkpoint.

    Parameters
    ----------
    estimator : ModalityEstimator
    data : TrainingData

    Returns
    -------
    ResumeFile

    Raises
    ------
    ValueError
        If the fit is not reproducible: without a fixed `random_state`, with callbacks
        of unknown state, or in a warm start.
    """
    reason = None
    if not isinstance(estimator.random_state, (int, np.integer)):
        reason = f"an integer random_state; got {estimator.random_state!r}"
    elif estimator.callbacks:
        reason = "callbacks=None, since the file does not contain their state"
    elif estimator.warm_start:
        reason = "warm_start=False, since a checkpoint belongs to one fit"
    if reason:
        raise ValueError(f"checkpoint needs {reason}.")
    params = {
        key: value
        for key, value in estimator.get_params(deep=False).items()
        if key not in estimator._no_effect_on_weights
        and (key, value) != ("monitor", LOSS)  # not in files of earlier versions
    }
    key = fit_key(params, data.module, data.train, data.valid)
    return ResumeFile(estimator.checkpoint, key)
