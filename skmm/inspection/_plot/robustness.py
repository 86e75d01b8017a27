"""Plot of scores over levels of corruption."""

from dataclasses import dataclass

import numpy as np

from skmm._plotting import axes_of, plain
from skmm.inspection.robustness import robustness_curve


@dataclass
class RobustnessDisplay:
    """Scores of models over levels of corruption.

    Create it with `from_estimator`, `from_curve` or `from_curves`.

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
        """Compute one curve.

        Parameters
        ----------
        estimator, X, y, corruption, **settings
            See `robustness_curve`.
        name : str, optional
            Label in the legend; None is the name of the class.

        Returns
        -------
        RobustnessDisplay
        """
        curve = robustness_curve(estimator, X, y, corruption, **settings)
        return cls.from_curve(curve, name or type(estimator).__name__)

    @classmethod
    def from_curve(cls, curve, name="model"):
        """Create the display from one curve.

        Parameters
        ----------
        curve : RobustnessCurve
        name : str, default="model"
            Label in the legend.

        Returns
        -------
        RobustnessDisplay
        """
        return cls.from_curves({name: curve})

    @classmethod
    def from_curves(cls, curves):
        """Create the display from curves of several models or modalities.

        Parameters
        ----------
        curves : dict of str to RobustnessCurve
            Names are shown in the legend.

        Returns
        -------
        RobustnessDisplay
        """
        curves = dict(curves)
        measures = {getattr(curve, "measure", None) for curve in curves.values()}
        if len(measures) != 1 or None in measures:
            raise ValueError(
                "curves must be a dict of names to one or more RobustnessCurves of the "
                f"same score; got {curves!r}."
            )
        return cls(curves)

    def plot(self, axes=None):
        """Draw mean scores, with bands of one standard deviation over the repeats.

        Baselines are dashed; a baseline of several curves is drawn once.

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
