"""What the no-harm classifier and regressor share."""

import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skmm._params import NestedParams
from skmm._sklearn import HasMethods, Interval, StrOptions, VisualBlock
from skmm.base.estimator import ModalityEstimator
from skmm.base.saving import Fitted, Saving
from skmm.base.targets import require_target
from skmm.base.weights import row_weights
from skmm.data import check_modalities
from skmm.data.names import check_names
from skmm.estimators._no_harm.crossfit import Cell, CrossFit, first_present
from skmm.estimators._no_harm.modes import FUSED, fit_crossfit, fit_holdout
from skmm.estimators._no_harm.thesis import fit_thesis
from skmm.nn.seeds import base_seed

FEWEST_ROWS = 4
NOT_STRATIFIED = "the validation rows of early_stopping are not stratified"
DEFAULTS = {"cv": 5, "n_init": 1, "z": 1.0, "alpha": 0.05, "calibration_fraction": 0.25}
UNSET = dict.fromkeys(("factor", "kind", "training"))
BELONGS = {  # parameters that only some modes read
    "crossfit": ("cv", "n_init", "z", "alpha"),
    "holdout": ("cv", "n_init", "alpha", "calibration_fraction"),
    None: ("factor", "kind", "training"),
}
MODES = {"crossfit": fit_crossfit, "holdout": fit_holdout, None: fit_thesis}
CONSTRAINTS = {
    name: ModalityEstimator._parameter_constraints[name]
    for name in (
        "encoders head modalities optimizer lr weight_decay lr_schedule gradient_clip "
        "batch_size max_epochs validation_fraction patience random_state verbose"
    ).split()
}


class NoHarm(Saving, NestedParams, BaseEstimator):
    """Base of the no-harm estimators; a final class says what a target is."""

    _nested = ("encoders",)
    _fitted_by = "weight_"

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

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter of another guarantee is set, or modalities, rows or y do not
            fit.
        """
        self._validate_params()
        self._refuse_others()
        X = check_modalities(X, self, modalities=self.modalities)
        require_target(self, y, len(X))
        X, y, weight, groups = self._rows(X, y, sample_weight, groups)
        self._check_names(X)
        self._seed = base_seed(self.random_state)
        self._warn_single(X)
        with warnings.catch_warnings():  # folds of few rows, early stopping would warn
            warnings.filterwarnings("ignore", NOT_STRATIFIED, UserWarning)
            MODES[self.guarantee](self, X, y, weight, groups)
        return self

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
        groups = None if groups is None else np.asarray(groups)
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight > 0)
            X, y, weight = X[kept], y[kept], weight[kept]
            groups = None if groups is None else groups[kept]
        self._learn_prior(y, weight)
        if len(X) < FEWEST_ROWS:
            raise ValueError(
                f"{type(self).__name__} needs at least {FEWEST_ROWS} rows to hold some "
                f"out; got n_samples = {len(X)}."
            )
        return X, y, weight, groups

    def _check_names(self, X):
        check_names(self.pretraining or {}, X, "pretraining")

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

    # -- what was fitted -----------------------------------------------------------

    def _keep(self, nets):
        """Store the nets of all cells as lists."""
        names = self.modalities_in_
        self.unimodal_ = {
            n: [cell.singles[n] for cell in nets.cells if n in cell.singles]
            for n in names
        }
        self.fused_ = [cell.fused for cell in nets.cells if cell.fused is not None]
        self._cells = [
            {
                "singles": [name for name in names if name in cell.singles],
                "order": cell.order,
                "fused": cell.fused is not None,
                "corrects": cell.corrects,
                "scaling": cell.scaling,
            }
            for cell in nets.cells
        ]

    def _nets(self):
        """Nets of all cells, as they were fitted."""
        singles = {
            name: iter(_listed(models)) for name, models in self.unimodal_.items()
        }
        fused, cells = iter(self.fused_), []
        for kept in self._cells:
            cell = Cell(np.empty(0, int), 0, kept["scaling"], order=kept["order"])
            cell.singles = {name: next(singles[name]) for name in kept["singles"]}
            cell.fused = next(fused) if kept["fused"] else None
            cell.corrects = kept["corrects"]
            cells.append(cell)
        return CrossFit(self._face(), cells)

    def _reference(self, X):
        """The best modality's answer, or the next best one's where it is missing."""
        nets = self._nets()

        def ask(name, view):
            return nets.bag(lambda cell, X: nets.ask_single(cell, name, X), view)

        return first_present(X, self.ranking_, ask, self.prior_)

    def _fused(self, X):
        nets = self._nets()
        return nets.bag(nets.ask_fused, X)

    def _candidates(self, X):
        """Answers of every modality alone, and of the fused nets."""
        nets = self._nets()
        answers = {
            name: nets.bag(lambda cell, X, name=name: nets.ask_single(cell, name, X), X)
            for name in self.modalities_in_
        }
        return {**answers, FUSED: self._fused(X)} if self.fused_ else answers

    def _answer(self, X):
        """Answers of the mixture that was chosen."""
        check_is_fitted(self, "weight_")
        X = check_modalities(X, self, reset=False)
        if self.weight_ == 0:
            return self._reference(X)
        if self.weight_ == 1:
            return self._fused(X)
        return (1 - self.weight_) * self._reference(X) + self.weight_ * self._fused(X)

    def _checked_candidates(self, X):
        check_is_fitted(self, "weight_")
        return self._candidates(check_modalities(X, self, reset=False))

    @property
    def no_harm_report_(self):
        """How each candidate compares with the best modality.

        A DataFrame with one row per model: mean `loss` on rows that its nets have not
        seen, `gain` over the best modality (negative: it harms), its `standard_error`
        and the interval from `lower` to `upper` that covers it with probability
        1 - `alpha`, and `rows_without`, in which the modality is missing. With
        ``guarantee=None`` the losses are those of early stopping or of training.
        """
        check_is_fitted(self, "weight_")
        return pd.DataFrame(self._report)

    @property
    def weight_curve_(self):
        """Gain of every weight that was tried, with its standard error and bound.

        A DataFrame; `certain` is the lower bound of the gain with "crossfit", the
        e-value with "holdout".
        """
        check_is_fitted(self, "weight_")
        return pd.DataFrame(self._curve)

    # -- scikit-learn --------------------------------------------------------------

    def _saved(self):
        saved = super()._saved()
        packed = {name: _packed(saved[name]) for name in ("unimodal_", "fused_")}
        return {**saved, **packed}

    def _probe(self):
        members = [m for models in self.unimodal_.values() for m in _listed(models)]
        return [out for m in [*members, *self.fused_] for out in m._probe()]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags

    def _sk_visual_block_(self):
        if not isinstance(self.encoders, dict):
            return VisualBlock("single", self, names=str(self))
        names, parts = list(self.encoders), list(self.encoders.values())
        return VisualBlock("parallel", parts, names=names)


def _is(value, default):
    return value is default or (type(value) is type(default) and value == default)


def _listed(models):
    """A list of models; one alone is a list of one."""
    return models if isinstance(models, list) else [models]


def _packed(value):
    """The same with every estimator marked as fitted."""
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_packed(item) for item in value]
    return Fitted(value)
