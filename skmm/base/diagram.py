"""HTML diagrams of estimators that hold several encoders."""

from skmm._sklearn import VisualBlock


def encoders_block(estimator):
    """Diagram of the encoders, or of the estimator if `encoders` is not a dict."""
    if not isinstance(estimator.encoders, dict):
        name = type(estimator).__name__
        return VisualBlock("single", estimator, names=name, name_details=str(estimator))
    names, parts = list(estimator.encoders), list(estimator.encoders.values())
    return VisualBlock("parallel", parts, names=names)
