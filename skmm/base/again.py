"""What `warm_start` and `partial_fit` keep of an earlier fit, and what they refuse."""

import numpy as np

STRUCTURE = ("encoders", "fusion", "head", "modalities")


def structure(estimator):
    """Parameters that decide which net it is, as text."""
    params = estimator.get_params().items()
    return {key: repr(v) for key, v in params if key.split("__")[0] in STRUCTURE}


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
