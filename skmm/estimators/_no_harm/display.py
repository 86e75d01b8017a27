"""A picture of what fusion gains, and of the weight that was chosen."""

from dataclasses import dataclass

import pandas as pd

from skmm._plotting import axes_of

BETTER, WORSE, UNCLEAR = "tab:green", "tab:red", "tab:gray"


@dataclass
class NoHarmDisplay:
    """Gains over the best modality, and how they depend on the weight.

    Attributes
    ----------
    report : DataFrame
        ``no_harm_report_`` of the estimator.
    best : str
        The best modality.
    curve : DataFrame or None
        ``weight_curve_``; with ``guarantee=None`` the history instead.
    weight : float
    path : DataFrame or None
        Weights of the modalities by epoch, with ``guarantee=None``.
    """

    report: pd.DataFrame
    best: str
    weight: float
    curve: pd.DataFrame | None = None
    path: pd.DataFrame | None = None

    def plot(self, axes=None):
        """Draw both.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            None makes a new figure.

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
