"""Classes and labels as tensors, and back."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmm.targets.base import Target


@dataclass
class ClassTarget(Target):
    """Classes as numbers, or independent labels as zeros and ones.

    Attributes
    ----------
    classes_ : ndarray
        Sorted labels as they came; for multilabel targets the column numbers.
    multilabel : bool
    """

    classes_: np.ndarray
    multilabel: bool = False

    @classmethod
    def learn(cls, y, weight=None, classes=None):
        """Find the classes in y, or take those that partial_fit names."""
        y = read_labels(y)
        if y.ndim == 2:
            return cls(np.arange(y.shape[1]), multilabel=True)
        return cls(np.unique(y if classes is None else classes))

    def fitted_attributes(self, name):
        """``{"classes_": ...}``; needs two classes, or several labels."""
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
        """Checked y: labels (n,) or zeros and ones (n, K)."""
        y = read_labels(y)
        if (y.ndim == 2) != self.multilabel:
            raise ValueError(
                "y changed between single labels and a multilabel indicator matrix."
            )
        if not self.multilabel and (unknown := np.setdiff1d(y, self.classes_)).size:
            raise ValueError(
                f"y has classes {unknown[:5].tolist()} that are not among the known "
                f"classes {self.classes_[:10].tolist()}."
            )
        return y

    def encode(self, y):
        """Tensor for the objective: int64 (n,), or float32 (n, K)."""
        if self.multilabel:
            return torch.from_numpy(y.astype(np.float32))
        return torch.from_numpy(np.searchsorted(self.classes_, y))

    def known(self, X, y):
        """Return the samples of known classes; None and None if there are none."""
        if self.multilabel:
            return X, y
        y = read_labels(y)
        known = np.flatnonzero(np.isin(y, self.classes_))
        return (X[known], y[known]) if len(known) else (None, None)

    def strata(self, y):
        """Labels by which rows may be stratified, or None."""
        return None if self.multilabel else y

    def proba(self, outputs):
        """Probabilities (n, K) in float64; rows sum to one unless multilabel."""
        outputs = outputs.double()
        return (outputs.sigmoid() if self.multilabel else outputs.softmax(1)).numpy()

    def decision(self, outputs):
        """Logits (n, K); for two classes their difference (n,)."""
        outputs = outputs.double().numpy()
        if not self.multilabel and self.n_outputs == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def decode(self, outputs):
        """Labels (n,), or zeros and ones (n, K)."""
        if self.multilabel:
            return (outputs.numpy() > 0).astype(int)
        return self.classes_[outputs.argmax(1).numpy()]


def read_labels(y):
    """Checked labels (n,), or zeros and ones (n, K)."""
    y = y.toarray() if hasattr(y, "toarray") else y
    with np.errstate(invalid="ignore"):  # it casts NaN to an integer, then refuses it
        check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return check_array(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes; fit one estimator per column "
            "(sklearn.multioutput.MultiOutputClassifier), or pass zeros and ones."
        )
    return column_or_1d(y, warn=True)
