"""What every target is, and the target of estimators that learn without one."""

from dataclasses import dataclass

import torch


class Target:
    """Base of the targets: dataclasses whose fields are all that they learn from y.

    A subclass defines ``learn(y, weight, classes)``, a classmethod that returns the
    target of some training samples; ``read(y)``, which returns a validated y;
    ``encode(y)``, which returns what the objective takes; ``strata(y)``, by which
    samples may be stratified; `n_outputs`; and `objective`, the default one.

    Attributes
    ----------
    subclasses : dict of str to type
        All targets by name: files name a target by its class.
    """

    subclasses = {}

    def fitted_attributes(self, name):
        """Attributes of the estimator that the target determines, such as `classes_`.

        Parameters
        ----------
        name : str
            Class of the estimator, for errors.
        """
        return {}

    def known(self, X, y):
        """Return the samples whose target can be encoded; None and None if none can."""
        return X, y

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Target.subclasses[cls.__name__] = cls


@dataclass
class NoTarget(Target):
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
