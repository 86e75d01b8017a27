"""Plot of the mixtures that predict groups of samples."""

from dataclasses import dataclass

import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from skmm._plotting import axes_of


@dataclass
class MixtureDisplay:
    """Share of the samples that each mixture predicts, by groups of samples.

    Create it with `from_estimator`.

    Parameters
    ----------
    table : DataFrame
        One row per group, one column per mixture; each row sums to one.

    Attributes
    ----------
    axes_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> from skmm import MulMixClassifier
    >>> from skmm.datasets import make_complementary_modalities
    >>> from skmm.inspection import MixtureDisplay
    >>> X, y = make_complementary_modalities(200, n_groups=2, random_state=0)
    >>> model = MulMixClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> MixtureDisplay.from_estimator(model, X).table.shape  # classes, mixtures
    (4, 7)
    """

    table: pd.DataFrame

    @classmethod
    def from_estimator(cls, estimator, X, by=None):
        """Compute which mixtures of a fitted model predict the samples.

        Parameters
        ----------
        estimator : MulMixClassifier, or Pipeline or search around one
            Fitted.
        X : ModalityDict, dict, DataFrame or array-like of n_samples
        by : array-like of shape (n_samples,), optional
            Groups of samples, such as a quality flag or a site; None is the predicted
            classes. Missing entries form a group "missing".

        Returns
        -------
        MixtureDisplay
        """
        estimator = getattr(estimator, "best_estimator_", estimator)
        if isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        if not hasattr(estimator, "answering_mixture"):
            raise TypeError(
                "estimator must be a fitted MulMixClassifier, or a Pipeline or search "
                f"around one; got {type(estimator).__name__}."
            )
        chosen = estimator.answering_mixture(X)["mixture"]
        by = pd.Series(estimator.predict(X) if by is None else column_or_1d(by))
        check_consistent_length(chosen, by)
        by = by.astype(object).where(by.notna(), "missing")
        table = pd.crosstab(by, chosen.map(" + ".join), normalize="index")
        names = [" + ".join(mixture) for mixture in estimator.mixtures_]
        table = table.reindex(columns=names, fill_value=0.0)
        return cls(table.rename_axis(index=None, columns=None))

    def plot(self, axes=None):
        """Draw the table, darker for larger shares.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
        """
        size = 1.5 + 0.5 * self.table.shape[1], 1.5 + 0.3 * len(self.table)
        (axis,) = axes_of(1, axes, size=size)
        self.axes_, self.figure_ = axis, axis.figure
        image = axis.imshow(self.table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set(yticks=range(len(self.table)), yticklabels=self.table.index)
        axis.set_xticks(
            range(self.table.shape[1]), self.table.columns, rotation=45, ha="right"
        )
        self.figure_.colorbar(image, ax=axis, label="share of samples")
        return self
