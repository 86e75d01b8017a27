"""Names of classes in a file: those of skmm and torch, and those that a user passes."""

import inspect
from functools import cache

import torch
from sklearn.base import BaseEstimator
from torch import nn

from skmm._class_registry import CLASSES


class ClassRegistry:
    """Names of classes, as they stand in a file, and back.

    Nothing is imported, and nothing is looked up elsewhere.

    Parameters
    ----------
    user : sequence of classes
        The user's own Blocks, Objectives, modules, estimators and optimizers.

    Attributes
    ----------
    used : set of type
        Classes given to `name` that belong neither to skmm nor to torch.
    """

    def __init__(self, user=()):
        if inspect.isclass(user):
            raise TypeError(f"classes must be a list of classes: [{user.__name__}].")
        self.own = {**CLASSES, **torch_classes()}
        self.names = {cls: name for name, cls in self.own.items()}
        self.user = {_checked(cls).__name__: cls for cls in user}
        if len(self.user) < len({*user}):
            raise ValueError(f"classes has two of the same name: {list(user)}.")
        self.used = set()

    def is_own(self, cls):
        """Whether a class is found without being passed."""
        return cls in self.names

    def name(self, cls):
        """Return what to write for a class: "skmm.nn.MLPEncoder", "module:Own"."""
        if cls in self.names:
            return self.names[cls]
        self.used.add(cls)
        return f"{cls.__module__}:{cls.__name__}"

    def find(self, name, base):
        """Return the class of a name, which must be a subclass of `base`.

        Raises
        ------
        ValueError
            If the class is not known, or is not such a subclass.
        """
        module, colon, short = str(name).rpartition(":")
        cls = self.user.get(short) if colon else self.own.get(short)
        if cls is None and colon:
            raise ValueError(
                f"it holds an object of the class {short} of {module}, which does not "
                f"belong to skmm; if you trust it, pass the class: load(path, classes="
                f"[{short}])"
            )
        if cls is None:
            raise ValueError(f"it names the class {name!r}, which skmm does not know")
        if not issubclass(cls, base):
            raise ValueError(f"it names the class {name!r} where it does not belong")
        return cls


@cache
def torch_classes():
    """``{name: class}`` of the layers and optimizers of torch."""
    known = {f"torch.nn.{name}": cls for name, cls in _subclasses(nn, nn.Module)}
    optimizers = _subclasses(torch.optim, torch.optim.Optimizer)
    return known | {f"torch.optim.{name}": cls for name, cls in optimizers}


def _subclasses(module, base):
    return [(name, cls) for name, cls in vars(module).items() if _is_a(cls, base)]


def _is_a(value, base):
    return inspect.isclass(value) and issubclass(value, base)


def _checked(cls):
    if _is_a(cls, (nn.Module, BaseEstimator, torch.optim.Optimizer)):
        return cls
    raise TypeError(
        "classes must be classes of Blocks, Objectives, torch modules, estimators or "
        f"optimizers; got {cls!r}."
    )
