"""Plot of predicted probabilities against frequencies."""

from dataclasses import dataclass

import pandas as pd
from sklearn.base import is_classifier

from skmm._plotting import axes_of
from skmm.metrics import expected_calibration_error, reliability_curve


@dataclass
class ReliabilityDisplay:
    """Reliability diagram: accuracy against confidence, and the samples of each bin.

    Create it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    curve : DataFrame
        Result of `skmm.metrics.reliability_curve`.
    error : float
        The expected calibration error.
    name : str, default="model"
        Label in the legend.

    Attributes
    ----------
    axes_, figure_ : array of 2 matplotlib Axes, and Figure
        After `plot`.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : For two classes; several models in one
        plot, but without intervals.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", 2017, Figure 1.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.datasets import make_weak_modality
    >>> from skmm.inspection import ReliabilityDisplay
    >>> X, y = make_weak_modality(120, n_classes=3, n_modalities=2, random_state=0)
    >>> model = FusionClassifier(max_epochs=2, random_state=0).fit(X[:60], y[:60])
    >>> display = ReliabilityDisplay.from_estimator(model, X[60:], y[60:], n_bins=5)
    >>> float(display.curve["weight"].sum())
    60.0
    """

    curve: pd.DataFrame
    error: float
    name: str = "model"

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, **settings):
        """Compute the bins of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            With `predict_proba` and `classes_`, for one output.
        X : ModalityDict, dict, DataFrame or array-like of n_samples
            Samples that the estimator was not trained on.
        y : array-like of shape (n_samples,)
        name : str, optional
            Label in the legend; None is the name of the class.
        **settings : dict
            n_bins, strategy, confidence_level, sample_weight of `reliability_curve`.

        Returns
        -------
        ReliabilityDisplay
        """
        if not (is_classifier(estimator) and hasattr(estimator, "predict_proba")):
            raise TypeError(
                "estimator must be a classifier with predict_proba; got "
                f"{type(estimator).__name__}."
            )
        proba = estimator.predict_proba(X)  # before classes_: it may not be fitted
        return cls.from_predictions(
            y,
            proba,
            labels=estimator.classes_,
            name=name or type(estimator).__name__,
            **settings,
        )

    @classmethod
    def from_predictions(cls, y_true, y_proba, *, name="model", **settings):
        """Compute the bins of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        name : str, default="model"
            Label in the legend.
        **settings : dict
            labels, n_bins, strategy, confidence_level, sample_weight of
            `reliability_curve`.

        Returns
        -------
        ReliabilityDisplay
        """
        curve = reliability_curve(y_true, y_proba, **settings)
        settings.pop("confidence_level", None)
        error = expected_calibration_error(y_true, y_proba, **settings)
        return cls(curve, error, name)

    def plot(self, axes=None):
        """Draw frequencies with their intervals, and the number of samples per bin.

        Parameters
        ----------
        axes : array of 2 matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
        """
        self.axes_ = axes_of(2, axes, size=(3.5, 3.5))
        self.figure_ = self.axes_[0].figure
        curve, (diagram, counts) = self.curve, self.axes_
        shares = curve["frequency"]
        whiskers = [shares - curve["lower"], curve["upper"] - shares]
        diagram.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
        label = f"{self.name}, ECE {self.error:.3f}"
        diagram.errorbar(
            curve["probability"], shares, yerr=whiskers, marker="o", label=label
        )
        diagram.set(xlabel="mean predicted probability", ylabel="frequency")
        diagram.legend()
        width = curve["right"] - curve["left"]
        counts.bar(curve["left"], curve["weight"], width, align="edge", edgecolor="w")
        counts.set(xlabel="predicted probability", ylabel="samples", xlim=(0, 1))
        return self
