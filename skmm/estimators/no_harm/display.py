"""Plot of the gains of all candidates, and of the weight that was chosen."""

from dataclasses import dataclass

import pandas as pd

from skmm._plotting import axes_of

BETTER, WORSE, UNCLEAR = "tab:green", "tab:red", "tab:gray"


@dataclass
class NoHarmDisplay:
    """Gains over the best modality, and their dependence on the weight of fusion.

    Attributes
    ----------
    report : DataFrame
        ``no_harm_report_`` of the estimator.
    best : str
        The best modality.
    weight : float
        Weight of the fused nets.
    curve : DataFrame or None
        ``weight_curve_``; None with ``guarantee=None``.
    path : DataFrame or None
        With ``guarantee=None``, weights of the modalities by epoch.
    """

    report: pd.DataFrame
    best: str
    weight: float
    curve: pd.DataFrame | None = None
    path: pd.DataFrame | None = None

    @classmethod
    def from_estimator(cls, estimator):
        """Collect what is drawn from a fitted no-harm estimator.

        Parameters
        ----------
        estimator : NoHarmFusionClassifier or NoHarmFusionRegressor

        Returns
        -------
        NoHarmDisplay
        """
        report, best = estimator.no_harm_report_, estimator.best_modality_
        display = cls(report, best, estimator.weight_)
        if hasattr(estimator, "weight_curve_"):
            display.curve = estimator.weight_curve_
        elif hasattr(estimator, "history_"):
            columns = estimator.history_.filter(like="weight_")
            display.path = columns.rename(columns=lambda c: c.removeprefix("weight_"))
        return display

    def plot(self, axes=None):
        """Draw the gains, and the curve or the path.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self
            With the attributes `axes_` and `figure_`.
        """
        axes = axes_of(2, axes, size=(4.0, 3.0))
        self.axes_, self.figure_ = axes, axes[0].figure
        self._draw_gains(axes[0])
        if self.path is not None:
            self._draw_path(axes[1])
        elif self.curve is not None:
            self._draw_curve(axes[1])
        return self

    def _draw_gains(self, axis):
        rows = self.report.iloc[::-1].reset_index(drop=True)
        half = (rows["upper"] - rows["gain"]).fillna(0.0)
        axis.axvline(0, color="black", linewidth=0.8)
        for place, row in rows.iterrows():
            axis.errorbar(
                row["gain"], place, xerr=half[place], fmt="o", color=_color(row)
            )
        axis.set(yticks=range(len(rows)), yticklabels=rows["model"])
        axis.set(xlabel=f"lower loss than {self.best} alone")

    def _draw_curve(self, axis):
        weights, gain = self.curve["weights"], self.curve["gain"]
        error = self.curve["standard_error"]
        axis.axhline(0, color="black", linewidth=0.8)
        axis.fill_between(weights, gain - error, gain + error, alpha=0.3)
        axis.plot(weights, gain, marker=".")
        axis.axvline(self.weight, color="black", linestyle=":")
        axis.set(xlabel="weight of the fused nets", ylabel="gain ± standard error")

    def _draw_path(self, axis):
        for name in self.path:
            axis.plot(self.path.index + 1, self.path[name], label=name)
        axis.set(xlabel="epoch", ylabel="weight of the modality", ylim=(-0.05, 1.05))
        axis.legend()


def _color(row):
    if row["lower"] > 0:
        return BETTER
    return WORSE if row["upper"] < 0 else UNCLEAR
