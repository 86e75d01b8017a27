"""HTML diagrams of estimators that hold one part per modality."""

from skmm._sklearn import VisualBlock


def parts_block(estimator, parameter):
    """Parts side by side, or the estimator alone if the parameter is not a dict.

    Parameters
    ----------
    estimator : estimator
    parameter : str
        Such as "encoders".
    """
    parts = getattr(estimator, parameter)
    if not isinstance(parts, dict):
        name = type(estimator).__name__
        return VisualBlock("single", estimator, names=name, name_details=str(estimator))
    names = [str(name) for name in parts]
    return VisualBlock("parallel", list(parts.values()), names=names)
