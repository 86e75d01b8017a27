"""Models on rows of which some modalities are corrupted, and what may be asked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier

from skmm._random import derive
from skmm._views import naming, noting
from skmm.data.recombine import with_changed
from skmm.data.validation import check_names
from skmm.inspection._losing import require_fitted, require_known_labels

ROBUSTNESS = "robustness_curve"
STRENGTHS = ("probability", "sigma")  # parameters that a level is put into


@dataclass
class Corrupted:
    """Models, and rows that are corrupted before they are asked.

    Attributes
    ----------
    models, scorers : list
        One scorer per model.
    rows : Rows
    corruptions : dict of str to transformer
        By modality.
    seed : int
    """

    models: list
    scorers: list
    rows: object
    corruptions: dict
    seed: int

    def scores(self, level, repeat):
        """One score per model, on the same corrupted rows."""
        with noting(f"{ROBUSTNESS}: at level {level:g}, repeat {repeat}"):
            X = self._corrupted(level, repeat)
            pairs = zip(self.scorers, self.models, strict=True)
            found = [float(scorer(model, X, self.rows.y)) for scorer, model in pairs]
            if np.isnan(found).any():
                raise ValueError(
                    "a score is NaN, as where the rows have one class. Use other rows, "
                    "or another scoring."
                )
        return found

    def _corrupted(self, level, repeat):
        X = self.rows.X
        if level == 0:
            return X
        for name, part in self.corruptions.items():
            settings = {_strength(part, name): level}
            if "random_state" in part.get_params():
                settings["random_state"] = derive(self.seed, name, repeat) % 2**32
            part = clone(part).set_params(**settings)
            with naming(name):
                X = with_changed(X, name, part.fit_transform)
        return X


def check_models(models, y):
    """Refuse models that are not fitted, or of which one is no classifier."""
    for model, name in zip(models, ("estimator", "baseline"), strict=False):
        require_fitted(model, ROBUSTNESS, name)
        require_known_labels(model, y)
    if is_classifier(models[0]) != is_classifier(models[-1]):
        raise ValueError(
            f"estimator and baseline, {type(models[0]).__name__} and "
            f"{type(models[-1]).__name__}, must both be classifiers or both regressors."
        )


def by_modality(corruption, modalities, X):
    """``{modality: corruption}``."""
    if isinstance(corruption, Mapping):
        if modalities is not None:
            raise ValueError(
                "modalities and a dict of corruptions both say what is corrupted; give "
                "one of them."
            )
        parts, where = dict(corruption), "corruption"
    else:
        names = list(X) if modalities is None else list(modalities)
        parts, where = dict.fromkeys(names, corruption), "modalities"
        if len(parts) < len(names):
            raise ValueError(f"modalities has a name twice: {names}.")
    if not parts:
        raise ValueError(f"{where} is empty: name what is corrupted, of {list(X)}.")
    check_names(parts, X, where)
    for name, part in parts.items():
        _strength(part, name)
    return parts


def _strength(part, name):
    """Name of the parameter that the level is put into."""
    is_transformer = hasattr(part, "get_params") and not isinstance(part, type)
    known = part.get_params() if is_transformer else {}
    found = [parameter for parameter in STRENGTHS if parameter in known]
    if not found:
        raise TypeError(
            f"the corruption of modality {name!r} has no parameter `probability` or "
            f"`sigma` to put the level into; got {part!r}. Use one of "
            "skmm.preprocessing, as DropCorruption()."
        )
    return found[0]


def checked_levels(levels, corruptions):
    """Levels as an array, from 0 upwards."""
    levels = np.asarray(levels, float)
    if levels.ndim != 1 or len(levels) < 2 or levels[0] != 0:
        raise ValueError(
            f"levels must be two or more numbers, of which the first is 0; got "
            f"{levels.tolist()}."
        )
    if not ((np.diff(levels) > 0) & np.isfinite(levels[1:])).all():
        raise ValueError(f"levels must increase, and be finite; got {levels.tolist()}.")
    bounded = [n for n, p in corruptions.items() if _strength(p, n) == "probability"]
    if (bounded and levels[-1] > 1) or not np.isfinite(levels).all():
        raise ValueError(
            f"levels go up to {levels[-1]:g}, but are probabilities for modality "
            f"{bounded}, at most 1."
        )
    return levels
