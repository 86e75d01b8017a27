"""What `warm_start` and `partial_fit` keep of an earlier fit, and what they refuse."""

import numpy as np

from skmm.training import ResumeFile, fingerprint
from skmm.training.checkpoint import digest
from skmm.training.fingerprint import describe

STRUCTURE = ("encoders", "fusion", "head", "modalities")
STRUCTURE += ("mixtures", "max_order", "merge", "width")
STRUCTURE += ("branches", "gate", "gate_encoders", "costs")
STRUCTURE += ("hidden", "decoder", "output_activation", "loss", "target", "projector")


def structure(estimator):
    """Parameters that decide which net it is, as text."""
    params = estimator.get_params().items()
    chosen = {key: v for key, v in params if key.split("__")[0] in STRUCTURE}
    return {key: digest(describe(v, weights=False)) for key, v in chosen.items()}


def refuse_other_structure(estimator):
    """Raise a ValueError if the net would be another one than at the first fit."""
    now, then = structure(estimator), estimator._structure
    changed = sorted(key for key in now | then if now.get(key) != then.get(key))
    if changed:
        raise ValueError(
            f"{', '.join(changed)} changed since the first fit, but warm_start and "
            "partial_fit keep the net as it is. Fit with warm_start=False, or clone "
            "the estimator."
        )


def refuse_other_classes(estimator, classes):
    """Raise a ValueError if partial_fit is given other classes than at first."""
    if classes is None or np.array_equal(np.unique(classes), estimator.classes_):
        return
    raise ValueError(
        f"classes {list(classes)} differ from those of the first call, "
        f"{estimator.classes_.tolist()}."
    )


def note_missing(estimator, X):
    """Add modalities that some row lacks, as later calls of partial_fit may see."""
    known, present = estimator.optional_modalities_, X.present
    new = [name for name in X if name not in known and not present[name].all()]
    estimator.optional_modalities_ = [*known, *new]


def refuse_for_parts(estimator):
    """Raise a ValueError for parameters that partial_fit cannot honour."""
    if estimator.early_stopping:
        raise ValueError(
            f"partial_fit does not support early_stopping={estimator.early_stopping!r}."
        )
    if estimator.stages is not None:
        raise ValueError("partial_fit trains all parts; it does not support stages.")
    if estimator.checkpoint is not None:
        raise ValueError("partial_fit does not use checkpoint; save the estimator.")
    if getattr(estimator, "class_weight", None) == "balanced":
        raise ValueError(
            "partial_fit cannot balance classes that it sees in parts; give "
            "class_weight as a dict."
        )


NOT_PART_OF_A_FIT = ("checkpoint", "compile", "device", "verbose", "warm_start")


def resume_file(estimator, problem):
    """Return the callback that writes and reads the checkpoint.

    Raises
    ------
    ValueError
        If the fit could not be repeated: without a fixed `random_state`, with callbacks
        whose state is unknown, or in a warm start.
    """
    reason = None
    if not isinstance(estimator.random_state, (int, np.integer)):
        reason = f"an integer random_state; got {estimator.random_state!r}"
    elif estimator.callbacks:
        reason = "callbacks=None: what they remember is not in the file"
    elif estimator.warm_start:
        reason = "warm_start=False: a checkpoint belongs to one fit"
    if reason:
        raise ValueError(f"checkpoint needs {reason}.")
    params = {
        key: value
        for key, value in estimator.get_params(deep=False).items()
        if key.split("__")[0] not in NOT_PART_OF_A_FIT
    }
    key = fingerprint(params, problem.module, problem.train, problem.valid)
    return ResumeFile(estimator.checkpoint, key)
