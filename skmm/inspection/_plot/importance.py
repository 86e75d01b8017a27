"""Plot of the importances of modalities."""

from dataclasses import dataclass

import pandas as pd

from skmm._plotting import axes_of, plain
from skmm.inspection.importance import modality_importance


@dataclass
class ModalityImportanceDisplay:
    """Importance of each modality, with intervals.

    Create it with `from_estimator` or `from_importance`.

    Parameters
    ----------
    table : DataFrame
        One row per modality, with columns importance, lower and upper.
    measure : str
        Name of the loss or score, such as "log-loss".

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
        """Compute importances.

        Parameters
        ----------
        estimator, X, y, **settings
            See `modality_importance`.

        Returns
        -------
        ModalityImportanceDisplay
        """
        return cls.from_importance(modality_importance(estimator, X, y, **settings))

    @classmethod
    def from_importance(cls, importance):
        """Create the display from the result of `modality_importance`.

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
