"""Targets of classification."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmm._views import prepending
from skmm.data.finite import check_measured, measured_entries
from skmm.data.tensors import one_tensor
from skmm.targets.base import Target, masked_tensor


@dataclass
class ClassTarget(Target):
    """Classes encoded as integers, or multilabel indicators as floats.

    Parameters
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; column numbers if `multilabel`.
    multilabel : bool, default=False
        Whether y is a multilabel indicator matrix.
    """

    classes_: np.ndarray
    multilabel: bool = False

    @classmethod
    def learn(cls, y, weight=None, classes=None):
        """Find the classes in y, unless `classes` are given."""
        y = read_labels(y)
        if y.ndim == 2:
            check_measured(y, weight)
            return cls(np.arange(y.shape[1]), multilabel=True)
        return cls(np.unique(y if classes is None else classes))

    def fitted_attributes(self, name):
        """``{"classes_": ...}``; raises an error if there is only one class."""
        if self.n_outputs < 2 and not self.multilabel:
            raise ValueError(
                f"{name} needs at least two classes; y has only one class, "
                f"{self.classes_.tolist()[0]!r}."
            )
        return {"classes_": self.classes_}

    @property
    def n_outputs(self):
        """Number of outputs that the net needs."""
        return len(self.classes_)

    @property
    def objective(self):
        """Name of the default objective."""
        return "binary_cross_entropy" if self.multilabel else "cross_entropy"

    def read(self, y):
        """Validate y: of shape (n_samples,), or (n_samples, n_labels) if multilabel."""
        y = y if _is_integer(y) else read_labels(y)
        if (y.ndim == 2) != self.multilabel:
            raise ValueError(
                "y must be a multilabel indicator matrix if and only if it was one at "
                "the first fit."
            )
        if not self.multilabel and (unknown := np.setdiff1d(y, self.classes_)).size:
            raise ValueError(
                f"y has unknown classes {unknown[:5].tolist()}; the classes are "
                f"{self.classes_[:10].tolist()}."
            )
        return y

    def encode(self, y):
        """Tensor for the objective: class indices, or indicators if multilabel.

        A masked target if some labels are not measured.
        """
        if self.multilabel:
            return masked_tensor(y.astype(np.float32))
        return torch.from_numpy(np.searchsorted(self.classes_, y))

    def known(self, X, y):
        """Samples of known classes, or None and None if there are none."""
        if self.multilabel:
            return X, y
        y = read_labels(y)
        known = np.flatnonzero(np.isin(y, self.classes_))
        return (X[known], y[known]) if len(known) else (None, None)

    def strata(self, y):
        """Labels to stratify by; None if multilabel."""
        return None if self.multilabel else y

    def proba(self, outputs):
        """Probabilities in float64; those of a sample sum to one unless multilabel."""
        outputs = one_tensor(outputs).double()
        return (outputs.sigmoid() if self.multilabel else outputs.softmax(1)).numpy()

    def decision(self, outputs):
        """Logits, or the difference of the two if there are two classes."""
        outputs = one_tensor(outputs).double().numpy()
        if not self.multilabel and self.n_outputs == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def decode(self, outputs):
        """Predicted classes, or indicators if multilabel."""
        outputs = one_tensor(outputs).double()
        if self.multilabel:
            return (outputs.numpy() > 0).astype(int)
        return self.classes_[outputs.argmax(1).numpy()]


@prepending("y")
def read_classes(y, estimator):
    """Validate labels of an estimator that predicts one class per sample.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    estimator : estimator
        Named in errors.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    y = read_labels(y)
    if y.ndim == 2:
        raise ValueError(several_labels_message(estimator))
    return y


def several_labels_message(estimator):
    """Say what to use instead of an estimator that predicts one class per sample."""
    return (
        f"{type(estimator).__name__} needs one class per sample, but y has several "
        "labels per sample. Use FusionClassifier, or fit one model per label "
        "(sklearn.multioutput.MultiOutputClassifier, if none is NaN)."
    )


@prepending("y")
def read_labels(y):
    """Validate labels: of shape (n_samples,), or a multilabel indicator matrix.

    Labels that are not measured are NaN in an indicator matrix of float64.
    """
    y = y.toarray() if hasattr(y, "toarray") else y
    if isinstance(y, np.ndarray) and measured_entries(y) is not None:
        return _read_masked_labels(y)
    with np.errstate(invalid="ignore"):  # NaN is cast to int before the error
        check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        y = check_array(y, input_name="y")
        _check_indicators(y)
        return y
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes; fit one estimator per column with "
            "sklearn.multioutput.MultiOutputClassifier, or pass an indicator matrix."
        )
    return column_or_1d(y, warn=True)


def _is_integer(y):
    """Whether y is an array of one label per sample that needs no validation."""
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu"


def _read_masked_labels(y):
    """Validate an indicator matrix in which labels that are not measured are NaN."""
    values = y[~np.isnan(y)]
    if not len(values):
        raise ValueError("y has no measured label: all of its entries are NaN.")
    _check_indicators(values)
    return y.astype(np.float64, copy=False)


def _check_indicators(values):
    """Check that the labels of a multilabel target are 0 or 1."""
    other = np.unique(values[(values != 0) & (values != 1)])
    if len(other):
        raise ValueError(
            "a multilabel y must have 1 for the labels of a sample and 0 for the "
            "others, and NaN where it is not known; got the values "
            f"{other[:5].tolist()}. Fit one estimator per column if the columns are "
            "classes, or a regressor if they are numbers."
        )
