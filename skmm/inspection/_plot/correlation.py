"""Plot of the correlations between the embeddings of two modalities."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from skmm._plotting import axes_of


@dataclass
class CrossCorrelationDisplay:
    """Correlations between the features of two modalities.

    Create it with `from_estimator`.

    Parameters
    ----------
    correlations : ndarray of shape (n_pairs, n_features, n_features)
    pairs : list of (str, str)
        Names of the modalities in rows and columns.

    Attributes
    ----------
    table : DataFrame of n_pairs rows
        Mean on the diagonal, and mean absolute value off it; the Barlow Twins objective
        aims at 1 and 0.
    axes_, figure_ : array of matplotlib Axes, and Figure
        After `plot`.

    Examples
    --------
    >>> from skmm import CoordinatedEncoder
    >>> from skmm.datasets import make_weak_modality
    >>> from skmm.inspection import CrossCorrelationDisplay
    >>> X, _ = make_weak_modality(100, n_modalities=2, random_state=0)
    >>> model = CoordinatedEncoder(max_epochs=2, random_state=0).fit(X)
    >>> CrossCorrelationDisplay.from_estimator(model).correlations.shape
    (1, 64, 64)
    """

    correlations: np.ndarray
    pairs: list

    @classmethod
    def from_estimator(cls, estimator, X=None):
        """Compute the correlations of a fitted model.

        Parameters
        ----------
        estimator : CoordinatedEncoder, or Pipeline that ends in one
            Fitted.
        X : ModalityDict, dict or DataFrame, optional
            None uses the training samples.

        Returns
        -------
        CrossCorrelationDisplay
        """
        if isinstance(estimator, Pipeline):
            X = X if X is None else estimator[:-1].transform(X)
            estimator = estimator[-1]
        if not hasattr(estimator, "cross_correlation"):
            raise TypeError(
                "estimator must be a fitted CoordinatedEncoder, or a Pipeline that "
                f"ends in one; got {type(estimator).__name__}."
            )
        if X is None:
            return cls(estimator.cross_correlation_, estimator.pairs_)
        return cls(estimator.cross_correlation(X), estimator.pairs_)

    @property
    def table(self):
        """One row per pair: mean on the diagonal, mean absolute value off it."""
        size = self.correlations.shape[-1]
        off = ~np.eye(size, dtype=bool)
        rows = [
            {"diagonal": c.diagonal().mean(), "off_diagonal": _mean(np.abs(c[off]))}
            for c in self.correlations
        ]
        index = [" and ".join(pair) for pair in self.pairs]
        return pd.DataFrame(rows, index=index, columns=["diagonal", "off_diagonal"])

    def plot(self, axes=None):
        """Draw one matrix per pair, red for positive and blue for negative.

        Parameters
        ----------
        axes : matplotlib Axes or array of them, optional
            One per pair; None makes a new figure.

        Returns
        -------
        self
        """
        self.axes_ = axes_of(len(self.pairs), axes)
        self.figure_ = self.axes_[0].figure
        drawn = zip(self.axes_, self.pairs, self.correlations, strict=True)
        for axis, (first, second), values in drawn:
            image = axis.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
            axis.set(xlabel=f"features of {second}", ylabel=f"features of {first}")
        self.figure_.colorbar(image, ax=list(self.axes_), label="correlation")
        return self


def _mean(values):
    return values.mean() if values.size else 0.0
