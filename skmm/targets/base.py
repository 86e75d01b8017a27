"""Base class of the targets, and the target of estimators that ignore y."""

from dataclasses import dataclass

import numpy as np
import torch

from skmm._class_registry import register
from skmm.data.finite import measured_entries


class Target:
    """Base class of the targets, dataclasses whose fields are learnt from y.

    A subclass defines ``learn(y, weight, classes)``, a classmethod that returns a
    target; ``read(y)``, which validates y; ``encode(y)``, which returns the tensor for
    the objective; ``strata(y)``, which returns labels to stratify by, or None;
    `n_outputs`; and `objective`, the name of the default objective. `average` is what
    an ensemble averages, a key of ``skmm.nn.composite.ensemble.AVERAGES``.
    """

    average = "mean"

    def fitted_attributes(self, name):
        """Fitted attributes of the estimator, such as `classes_`.

        Parameters
        ----------
        name : str
            Name of the estimator, for errors.

        Returns
        -------
        dict
        """
        return {}

    def known(self, X, y):
        """Samples whose target can be encoded, or None and None if there are none."""
        return X, y

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls, "targets")


def masked_tensor(y):
    """Return a tensor for the objective; a masked target if y has NaN.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_outputs), float32

    Returns
    -------
    Tensor, or dict of "values" and "observed"
    """
    measured = measured_entries(y)
    if measured is None:
        return torch.from_numpy(y)
    values = torch.from_numpy(np.where(measured, y, np.float32(0)))
    return {"values": values, "observed": torch.from_numpy(measured)}


@dataclass
class NoTarget(Target):
    """Target of estimators that learn from the modalities alone."""

    n_outputs = None  # not fixed by the target

    def read(self, y):
        """Return y as it is."""
        return y

    def encode(self, y):
        """One zero per sample."""
        return torch.zeros(len(y))

    def strata(self, y):
        """None, since samples cannot be stratified."""
        return None
