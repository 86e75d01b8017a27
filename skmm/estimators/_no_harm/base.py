"""What the no-harm classifier and regressor share."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, column_or_1d

from skmm._random import base_seed
from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base.estimator import ModalityEstimator
from skmm.base.search_space import Searchable
from skmm.base.training_data import NOT_STRATIFIED, row_weights
from skmm.data import check_modalities
from skmm.data.validation import check_names, check_target, parts_in_use
from skmm.estimators._no_harm.crossfit import GIVEN
from skmm.estimators._no_harm.faces import SHARED
from skmm.estimators._no_harm.kept import Kept
from skmm.estimators._no_harm.modes import fit_crossfit, fit_holdout
from skmm.estimators._no_harm.thesis import fit_thesis
from skmm.nn.fusion.no_harm import kept_weights

FEWEST_ROWS = 4
EXPECTED = (  # classes with fewer rows than folds
    NOT_STRATIFIED,
    "The least populated class in y has only",
)
DEFAULTS = {"cv": 5, "n_init": 1, "z": 1.0, "alpha": 0.05, "calibration_fraction": 0.25}
UNSET = dict.fromkeys(("factor", "kind", "training"))
BELONGS = {  # parameters that only some modes read
    "crossfit": ("cv", "n_init", "z", "alpha"),
    "holdout": ("cv", "n_init", "alpha", "calibration_fraction"),
    None: ("factor", "kind", "training"),
}
PRIVATE = ("_cells", "_curve", "_report", "_mode", "_seed", "_flat")  # set by fit
OWN = {*SHARED} - {"early_stopping", "validation_fraction", "device"}  # of one modality
MODES = {"crossfit": fit_crossfit, "holdout": fit_holdout, None: fit_thesis}
CONSTRAINTS = {
    name: ModalityEstimator._parameter_constraints[name]
    for name in (
        "encoders head modalities optimizer lr weight_decay lr_schedule gradient_clip "
        "batch_size max_epochs validation_fraction patience random_state verbose"
    ).split()
}


class NoHarm(Kept, Searchable, BaseEstimator):
    """Base of the no-harm estimators; a final class says what a target is."""

    _nested = ("encoders",)
    _by_modality = ("encoders", "pretraining")
    _by_part = ("lr", "weight_decay")

    _parameter_constraints = {
        **CONSTRAINTS,
        "guarantee": [StrOptions({"crossfit", "holdout"}), None],
        "factor": [StrOptions({"scalar", "vector"}), Real, tuple, list, None],
        "kind": [StrOptions({"arithmetic", "geometric"}), None],
        "training": [str, None],
        "pretraining": [dict, None],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods("split")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "z": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "max_harm": [Interval(Real, 0, None, closed="neither"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
    }

    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit single-modality and fused nets, and decide how far to trust the latter.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
            A modality may be missing in some rows.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Of the rows, in training and as evidence.
        groups : array-like of shape (n,), optional
            Rows of one group stay in one fold, and count as one piece of evidence.
            A splitter given as `cv` must keep them together too. Early stopping looks
            at groups that a net has not seen, unless it is trained on one alone, with
            a warning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter of another guarantee is set, modalities, rows or y do not
            fit, or folds separate rows of one group.
        """
        self._forget()
        self._validate_params()
        self._refuse_others()
        X = check_modalities(X, self, modalities=self.modalities)
        check_target(self, y, len(X))
        X, y, weight, groups = self._rows(X, y, sample_weight, groups)
        self._check_pretraining()
        if GIVEN in X:
            raise ValueError(f"{GIVEN!r} is a name of our own: rename that modality.")
        self._seed = base_seed(self.random_state)
        self._warn_single(X)
        with warnings.catch_warnings():
            for message in EXPECTED:
                warnings.filterwarnings("ignore", message, UserWarning)
            MODES[self.guarantee](self, X, y, weight, groups)
        del self._given, self._given_rows, self._n_given
        self._mode = self.guarantee
        return self

    def _cut_to(self, names):
        """Return parameters that change with a selection of `modalities`."""
        given, factor = self.modalities, self.factor
        if given is None or not isinstance(factor, (tuple, list)):
            return {}
        given = [str(name) for name in given]
        check_names(names, given, "names")
        return {"factor": kept_weights(factor, given, names)}

    def _training_space(self):
        """Of the thesis also the factor; what guarantees something is not searched."""
        space = super()._training_space()
        if self.guarantee is None:
            space |= {"kind": ["arithmetic", "geometric"]}
            if self.factor is None or isinstance(self.factor, str):
                space |= {"factor": ["scalar", "vector"]}
        return space

    def _parts_space(self, outer):
        """Without the widths of several encoders where they must be equal."""
        space = super()._parts_space(outer)
        if self.guarantee is None and isinstance(self.encoders, dict):
            widths = ("__hidden", "__width", "__filters")
            return {k: v for k, v in space.items() if not k.endswith(widths)}
        return space

    def _forget(self):
        """Remove what an earlier fit has set: a failure must not leave half of it."""
        for name in list(vars(self)):
            if name in PRIVATE or (name.endswith("_") and not name.startswith("_")):
                delattr(self, name)

    def _refuse_others(self):
        """Refuse parameters that the chosen guarantee does not read."""
        reads = BELONGS[self.guarantee]
        for name, default in {**DEFAULTS, **UNSET}.items():
            if name not in reads and not _is(getattr(self, name), default):
                where = [repr(mode) for mode, names in BELONGS.items() if name in names]
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has no meaning with guarantee="
                    f"{self.guarantee!r}; it belongs to guarantee="
                    f"{' or '.join(where)}. Leave it at {default!r}."
                )
        if self.guarantee is not None and not self.early_stopping:
            raise ValueError(
                f"guarantee={self.guarantee!r} needs early_stopping=True: a fused net "
                "starts at the best single one and must not get worse on rows set "
                "aside."
            )

    def _rows(self, X, y, sample_weight, groups):
        """Checked rows, without those that have no weight."""
        y = self._read_target(y)
        weight = row_weights(len(X), y, sample_weight)
        groups = None if groups is None else column_or_1d(groups)
        check_consistent_length(y, groups)
        self._given, self._n_given = (len(y), y, groups), len(y)
        self._given_rows = np.arange(len(y))
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight > 0)
            X, y, weight, self._given_rows = X[kept], y[kept], weight[kept], kept
            groups = None if groups is None else groups[kept]
        self._learn_classes(y)
        if len(X) < FEWEST_ROWS:
            raise ValueError(
                f"{type(self).__name__} needs at least {FEWEST_ROWS} rows to hold some "
                f"out; got n_samples = {len(X)}."
            )
        return X, y, weight, groups

    def _check_pretraining(self):
        """Refuse what single nets cannot have of their own."""
        own = parts_in_use(self.pretraining or {}, self, "pretraining")
        for name, given in own.items():
            unknown = set(given) - OWN if isinstance(given, dict) else {repr(given)}
            if unknown:
                raise ValueError(
                    f"pretraining[{name!r}] must be a dict of some of {sorted(OWN)}; "
                    f"got {sorted(unknown)}."
                )

    def _warn_single(self, X):
        named = hasattr(self, "feature_names_in_") and self.modalities is None
        if X.shape[1] > 1 or not named:
            return
        warnings.warn(
            f"there is only one modality, {next(iter(X))!r}: nothing is fused, the "
            "result is that modality's model.",
            UserWarning,
            stacklevel=3,
        )

    def _evidence_weight(self, y, weight):
        """Weight of the rows in losses: that of the classes counts as well."""
        class_weight = getattr(self, "class_weight", None)
        return row_weights(len(y), y, weight, class_weight)

    # -- scikit-learn --------------------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _is(value, default):
    return value is default or (type(value) is type(default) and value == default)
