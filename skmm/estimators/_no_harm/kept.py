"""What the no-harm estimators keep of a fit: nets, reports, a picture, a file."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skmm.data import check_modalities
from skmm.estimators._no_harm.crossfit import Cell, CrossFit, first_present
from skmm.estimators._no_harm.display import NoHarmDisplay
from skmm.estimators._no_harm.modes import FUSED, complete_rows
from skmm.persistence.saving import Fitted, Saving


class Kept(Saving):
    """Answers and reports from the nets that were fitted."""

    _fitted_by = "weight_"

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
                "prior": cell.prior,
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
            cell = Cell(np.empty(0, int), 0, kept["prior"], kept["scaling"])
            cell.order = kept["order"]
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
        weights = {self.weight_, self.incomplete_weight_}
        if weights == {0}:
            return self._reference(X)
        if weights == {1}:
            return self._fused(X)
        whole = complete_rows(X.present)
        return self._mixed(self._reference(X), self._fused(X), whole)

    def _mixed(self, reference, fused, whole):
        """Mixture of both, with the weight of each row by whether it is complete."""
        weight = np.where(whole, self.weight_, self.incomplete_weight_)[:, None]
        return (1 - weight) * reference + weight * fused

    def _checked_candidates(self, X):
        check_is_fitted(self, "weight_")
        return self._candidates(check_modalities(X, self, reset=False))

    @property
    def no_harm_report_(self):
        """How each candidate compares with the best modality.

        A DataFrame with one row per model: mean `loss` on rows that its nets have not
        seen, `gain` over the best modality, or the next best where it is missing
        (negative: it harms), its `standard_error` and an approximate interval, `lower`
        to `upper`, at the level 1 - `alpha`, and `rows_without`, in which the modality
        is missing. Intervals are for the nets of one fold, and do not know that the
        weight of "deployed" was chosen on the same rows. With `groups` the gain is a
        mean over groups, the loss over rows. With ``guarantee=None`` losses are those
        of early stopping or of training.
        """
        check_is_fitted(self, "weight_")
        return pd.DataFrame(self._report)

    @property
    def weight_curve_(self):
        """Gain of every weight that was tried, with its standard error and bound.

        A DataFrame; `certain` is the lower bound of the gain with "crossfit", the
        e-value with "holdout". With "crossfit", if some rows lack a modality, it is
        that of the others, for `weight_`.
        """
        check_is_fitted(self, "weight_")
        if self._mode is None:
            raise AttributeError("with guarantee=None no weight was chosen.")
        return pd.DataFrame(self._curve)

    @property
    def history_(self):
        """With ``guarantee=None``: the fused net's epochs, with its weights."""
        check_is_fitted(self, "weight_")
        if self._mode is not None or not self.fused_:
            raise AttributeError(
                "there is no history of one fused net; see the nets in unimodal_ and "
                "fused_, each of which has its own."
            )
        return self.fused_[0].history_

    def no_harm_display(self, axes=None):
        """Draw gains over the best modality, and the weight's or the factor's curve.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional

        Returns
        -------
        NoHarmDisplay
            With the attributes `axes_` and `figure_`.
        """
        check_is_fitted(self, "weight_")
        display = NoHarmDisplay(self.no_harm_report_, self.best_modality_, self.weight_)
        if self._mode is None and self.fused_:
            columns = self.history_.filter(like="weight_")
            display.path = columns.rename(columns=lambda c: c.removeprefix("weight_"))
        elif self._mode is not None:
            display.curve = self.weight_curve_
        return display.plot(axes)

    def _saved(self):
        saved = super()._saved()
        packed = {name: _packed(saved[name]) for name in ("unimodal_", "fused_")}
        return {**saved, **packed}

    def _probe(self):
        members = [m for models in self.unimodal_.values() for m in _listed(models)]
        return [out for m in [*members, *self.fused_] for out in m._probe()]


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
