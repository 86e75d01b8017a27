"""Between a user's y and the numbers that a net is trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmm._sklearn import num_samples


def require_target(estimator, y, n_rows):
    """Refuse a y that is missing or has another number of rows than X."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    if (n_targets := num_samples(y)) != n_rows:
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {n_rows} and {n_targets}."
        )


@dataclass
class ClassTarget:
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
    def learn(cls, y, classes=None):
        """Find the classes in y, or take those that partial_fit names."""
        y = read_labels(y)
        if y.ndim == 2:
            return cls(np.arange(y.shape[1]), multilabel=True)
        return cls(np.unique(y if classes is None else classes))

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


@dataclass
class NoTarget:
    """Nothing: what is learnt is in the modalities alone."""

    n_outputs = None  # as many as there are

    def read(self, y):
        """What stands for y, as it is."""
        return y

    def encode(self, y):
        """One zero per row."""
        return torch.zeros(len(y))

    def strata(self, y):
        """None: there are no strata."""
        return None


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


@dataclass
class ValueTarget:
    """Real values, one or several columns, standardised for training.

    Attributes
    ----------
    mean, scale : ndarray (k,)
        Weighted over the training rows; a constant column has scale 1.
    flat : bool
        Whether y came as (n,).
    """

    mean: np.ndarray
    scale: np.ndarray
    flat: bool
    objective = "squared_error"

    @classmethod
    def learn(cls, y, weight=None):
        """Measure location and scale."""
        y, flat = _read_values(y)
        largest = np.abs(y).max(axis=0)  # squares of very large or small y are not safe
        unit = np.where(largest > 0, largest, 1.0)
        parts = y / unit
        mean = np.average(parts, axis=0, weights=weight)
        scale = np.sqrt(np.average((parts - mean) ** 2, axis=0, weights=weight))
        return cls(mean * unit, np.where(scale > 1e-12, scale * unit, 1.0), flat)

    @property
    def n_outputs(self):
        """Number of outputs that the net needs."""
        return len(self.mean)

    def read(self, y):
        """Checked y, (n, k)."""
        y, flat = _read_values(y)
        if y.shape[1] != self.n_outputs or flat != self.flat:
            raise ValueError(
                f"y has {y.shape[1]} column(s), but {self.n_outputs} at the first fit."
            )
        return y

    def encode(self, y):
        """Standardised values, float32 (n, k)."""
        return torch.from_numpy(((y - self.mean) / self.scale).astype(np.float32))

    def strata(self, y):
        """None: values have no strata."""
        return None

    def decode(self, outputs):
        """Values in y's units, (n,) or (n, k)."""
        values = outputs.double().numpy() * self.scale + self.mean
        return values[:, 0] if self.flat else values


def _read_values(y):
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return (y[:, None], True) if y.ndim == 1 else (y, False)
