"""Pictures of what modalities are worth to a model, and of what corruption costs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skmm._plotting import axes_of, plain
from skmm.inspection.importance import modality_importance
from skmm.inspection.robustness import robustness_curve


@dataclass
class ModalityImportanceDisplay:
    """What a model loses without each modality, with intervals.

    Make it with `from_estimator` or `from_importance`.

    Parameters
    ----------
    table : DataFrame
        One row per modality, with columns importance, lower and upper.
    measure : str
        What is lost, as "log-loss".

    Attributes
    ----------
    axes_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.datasets import make_weak_modality
    >>> from skmm.inspection import ModalityImportanceDisplay
    >>> X, y = make_weak_modality(100, n_modalities=2, random_state=0)
    >>> model = FusionClassifier(max_epochs=2, random_state=0).fit(X[:50], y[:50])
    >>> display = ModalityImportanceDisplay.from_estimator(
    ...     model, X[50:], y[50:], random_state=0
    ... )
    >>> display.table.index.tolist(), display.measure
    (['view0', 'view1'], 'log-loss')
    """

    table: pd.DataFrame
    measure: str

    @classmethod
    def from_estimator(cls, estimator, X, y, **settings):
        """Measure importances.

        Parameters
        ----------
        estimator, X, y, **settings
            As for `modality_importance`.

        Returns
        -------
        ModalityImportanceDisplay
        """
        return cls.from_importance(modality_importance(estimator, X, y, **settings))

    @classmethod
    def from_importance(cls, importance):
        """Take what `modality_importance` returned.

        Parameters
        ----------
        importance : Bunch

        Returns
        -------
        ModalityImportanceDisplay
        """
        return cls(importance.table, importance.measure)

    def plot(self, axes=None):
        """Draw the importances, the largest on top.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
        """
        rows = self.table.sort_values("importance")
        (axis,) = axes_of(1, axes, size=(6.0, 1.0 + 0.35 * len(rows)))
        self.axes_, self.figure_ = axis, axis.figure
        half = (rows["upper"] - rows["importance"]).fillna(0.0)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.errorbar(rows["importance"], range(len(rows)), xerr=half, fmt="o")
        axis.set(yticks=range(len(rows)), yticklabels=plain(rows.index))
        axis.set(xlabel=f"importance, in {self.measure}")
        return self


@dataclass
class RobustnessDisplay:
    """Scores of models over levels of corruption.

    Make it with `from_estimator`, `from_curve` or `from_curves`.

    Parameters
    ----------
    curves : dict of str to RobustnessCurve

    Attributes
    ----------
    axes_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import RobustnessCurve, RobustnessDisplay
    >>> curve = RobustnessCurve(np.array([0.0, 0.5]), np.array([[0.9], [0.7]]))
    >>> list(RobustnessDisplay.from_curve(curve, "gated").curves)
    ['gated']
    """

    curves: dict

    @classmethod
    def from_estimator(cls, estimator, X, y, corruption, *, name=None, **settings):
        """Measure one curve.

        Parameters
        ----------
        estimator, X, y, corruption, **settings
            As for `robustness_curve`.
        name : str, optional
            In the legend; None is the name of the class.

        Returns
        -------
        RobustnessDisplay
        """
        curve = robustness_curve(estimator, X, y, corruption, **settings)
        return cls.from_curve(curve, name or type(estimator).__name__)

    @classmethod
    def from_curve(cls, curve, name="model"):
        """Take one curve.

        Parameters
        ----------
        curve : RobustnessCurve
        name : str, default="model"
            In the legend.

        Returns
        -------
        RobustnessDisplay
        """
        return cls.from_curves({name: curve})

    @classmethod
    def from_curves(cls, curves):
        """Take curves of several models, or of several modalities of one.

        Parameters
        ----------
        curves : dict of str to RobustnessCurve
            Names are in the legend.

        Returns
        -------
        RobustnessDisplay
        """
        curves = dict(curves)
        measures = {getattr(curve, "measure", None) for curve in curves.values()}
        if len(measures) != 1 or None in measures:
            raise ValueError(
                "curves must be one or more RobustnessCurves of one score, by name; "
                f"got {curves!r}."
            )
        return cls(curves)

    def plot(self, axes=None):
        """Draw mean scores, with bands of one deviation over the repeats.

        Baselines are dashed; one that several curves share is drawn once.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
        """
        (axis,) = axes_of(1, axes, size=(5.0, 3.5))
        self.axes_, self.figure_ = axis, axis.figure
        for name, curve in self.curves.items():
            _draw(axis, curve.levels, curve.scores, name)
        for name, levels, scores in self._baselines():
            _draw(axis, levels, scores, name, linestyle="--")
        measure = next(iter(self.curves.values())).measure
        axis.set(xlabel="level of corruption", ylabel=measure)
        axis.legend()
        return self

    def _baselines(self):
        drawn, many = [], len(self.curves) > 1
        for name, curve in self.curves.items():
            scores = curve.baseline_scores
            if scores is None or any(np.array_equal(scores, s) for _, _, s in drawn):
                continue
            label = f"baseline of {name}" if many else "baseline"
            drawn.append((label, curve.levels, scores))
        return drawn


def _draw(axis, levels, scores, name, **style):
    mean, spread = scores.mean(axis=1), scores.std(axis=1)
    (line,) = axis.plot(levels, mean, marker=".", label=plain([name])[0], **style)
    axis.fill_between(
        levels, mean - spread, mean + spread, alpha=0.2, color=line.get_color()
    )
