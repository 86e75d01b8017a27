"""Names of the classes that a file may contain: of skmm, of torch and of the user."""

import inspect
from collections.abc import Iterable
from functools import cache

import torch
from sklearn.base import BaseEstimator
from torch import nn

from skmm._class_registry import CLASSES
from skmm.targets import Target


class ClassRegistry:
    """Mapping between classes and their names in a file; imports nothing.

    Parameters
    ----------
    user : sequence of classes, default=()
        The user's own Blocks, Objectives, modules, targets, estimators and optimizers.

    Attributes
    ----------
    used : set of type
        Classes passed to `name` that belong neither to skmm nor to torch.
    """

    def __init__(self, user=()):
        if inspect.isclass(user):
            raise TypeError(f"classes must be a list; pass [{user.__name__}].")
        if isinstance(user, (str, dict)) or not isinstance(user, Iterable):
            raise TypeError(f"classes must be a list of classes; got {user!r}.")
        self.own = {**CLASSES, **torch_classes()}
        self.names = {cls: name for name, cls in self.own.items()}
        self.user = {_check_class(cls).__name__: cls for cls in user}
        if len(self.user) < len({*user}):
            raise ValueError(f"classes must have different names; got {list(user)}.")
        self.used = set()

    def is_own(self, cls):
        """Whether a class belongs to skmm or torch."""
        return cls in self.names

    def name(self, cls):
        """Name of a class in a file, such as "skmm.nn.MLPEncoder" or "module:Own"."""
        if cls in self.names:
            return self.names[cls]
        self.used.add(cls)
        return f"{cls.__module__}:{cls.__name__}"

    def find(self, name, base):
        """Find a subclass of `base` by its name in a file.

        Raises
        ------
        ValueError
            If the class is unknown or not a subclass of `base`.
        """
        module, colon, short = str(name).rpartition(":")
        cls = self.user.get(short) if colon else self.own.get(short)
        if cls is None and colon:
            raise ValueError(
                f"it contains an object of class {module}.{short}, which is not part "
                f"of skmm; if you trust the file, pass the class: load(path, classes="
                f"[{short}])"
            )
        if cls is None:
            raise ValueError(f"it contains the unknown class {name!r}")
        if not issubclass(cls, base):
            raise ValueError(f"it contains the class {name!r} in the wrong place")
        return cls


@cache
def torch_classes():
    """Layers and optimizers of torch by name."""
    known = {f"torch.nn.{name}": cls for name, cls in _subclasses(nn, nn.Module)}
    optimizers = _subclasses(torch.optim, torch.optim.Optimizer)
    return known | {f"torch.optim.{name}": cls for name, cls in optimizers}


def _subclasses(module, base):
    return [(name, cls) for name, cls in vars(module).items() if _is_a(cls, base)]


def _is_a(value, base):
    return inspect.isclass(value) and issubclass(value, base)


def _check_class(cls):
    if _is_a(cls, (nn.Module, Target, BaseEstimator, torch.optim.Optimizer)):
        return cls
    raise TypeError(
        "classes must be classes of Blocks, Objectives, torch modules, targets, "
        f"estimators or optimizers; got {cls!r}."
    )
