"""Plot of the contributions of modalities and of their interactions."""

from dataclasses import dataclass

import pandas as pd

from skmm._plotting import axes_of, plain
from skmm.inspection.interactions import interaction_decomposition


@dataclass
class InteractionDisplay:
    """Size of the parts of a model's outputs, by sets of modalities.

    Create it with `from_estimator` or `from_decomposition`.

    Parameters
    ----------
    table : DataFrame
        One row per set of modalities, with columns order and size.
    interaction_share : float
        Share of the variance that single modalities do not explain.

    Attributes
    ----------
    axes_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.datasets import make_weak_modality
    >>> from skmm.inspection import InteractionDisplay
    >>> X, y = make_weak_modality(60, n_modalities=2, random_state=0)
    >>> model = FusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> InteractionDisplay.from_estimator(model, X).table.index.tolist()
    ['view0', 'view1', 'view0 + view1']
    """

    table: pd.DataFrame
    interaction_share: float

    @classmethod
    def from_estimator(cls, estimator, X):
        """Decompose the outputs of a fitted model.

        Parameters
        ----------
        estimator, X
            See `interaction_decomposition`.

        Returns
        -------
        InteractionDisplay
        """
        return cls.from_decomposition(interaction_decomposition(estimator, X))

    @classmethod
    def from_decomposition(cls, found):
        """Create the display from the result of `interaction_decomposition`.

        Parameters
        ----------
        found : Bunch

        Returns
        -------
        InteractionDisplay
        """
        return cls(found.table, found.interaction_share)

    def plot(self, axes=None):
        """Draw the size of every part.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
        """
        rows = self.table.iloc[::-1]
        (axis,) = axes_of(1, axes, size=(6.0, 1.2 + 0.35 * len(rows)))
        self.axes_, self.figure_ = axis, axis.figure
        colors = [f"C{order - 1}" for order in rows["order"]]
        axis.barh(range(len(rows)), rows["size"], color=colors)
        axis.set(yticks=range(len(rows)), yticklabels=plain(rows.index))
        axis.set(xlabel="root mean square of the part")
        axis.set_title(f"interactions: {self.interaction_share:.0%} of the variance")
        return self
