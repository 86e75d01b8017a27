"""Targets of classification."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmm.data.tensors import one_tensor
from skmm.targets.base import Target


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
        y = read_labels(y)
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
        """Tensor for the objective: class indices, or indicators if multilabel."""
        if self.multilabel:
            return torch.from_numpy(y.astype(np.float32))
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
        outputs = one_tensor(outputs)
        return (outputs.sigmoid() if self.multilabel else outputs.softmax(1)).numpy()

    def decision(self, outputs):
        """Logits, or the difference of the two if there are two classes."""
        outputs = one_tensor(outputs).numpy()
        if not self.multilabel and self.n_outputs == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def decode(self, outputs):
        """Predicted classes, or indicators if multilabel."""
        outputs = one_tensor(outputs)
        if self.multilabel:
            return (outputs.numpy() > 0).astype(int)
        return self.classes_[outputs.argmax(1).numpy()]


def read_labels(y):
    """Validate labels: of shape (n_samples,), or a multilabel indicator matrix."""
    y = y.toarray() if hasattr(y, "toarray") else y
    with np.errstate(invalid="ignore"):  # NaN is cast to int before the error
        check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return check_array(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes; fit one estimator per column with "
            "sklearn.multioutput.MultiOutputClassifier, or pass an indicator matrix."
        )
    return column_or_1d(y, warn=True)
