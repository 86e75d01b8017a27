"""Which classes a file may name: skmm's public ones, and those that a user passes."""

import inspect
import sys

import torch
from sklearn.base import BaseEstimator
from torch import nn

ROOMS = ("", ".nn", ".objectives", ".training")  # whose public classes can be saved
LAYERS = """
    Sequential Identity Flatten Unflatten Linear LazyLinear Embedding
    Conv1d Conv2d Conv3d LazyConv1d LazyConv2d LazyConv3d
    MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
    AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d
    BatchNorm1d BatchNorm2d BatchNorm3d
    LayerNorm GroupNorm Dropout Dropout1d Dropout2d Dropout3d AlphaDropout
    ReLU ReLU6 LeakyReLU PReLU ELU SELU CELU GELU SiLU Mish Tanh Sigmoid Softplus
    Softsign Hardswish Hardsigmoid LogSigmoid Softmax LogSoftmax
""".split()  # layers of torch that keep their arguments as attributes


class Classes:
    """Names of classes, as they stand in a file, and back.

    Nothing is imported, and nothing else is looked up.

    Parameters
    ----------
    user : sequence of classes
        Own Blocks, Objectives, modules, estimators and optimizers.
    """

    def __init__(self, user=()):
        if inspect.isclass(user):
            raise TypeError(f"classes must be a list of classes: [{user.__name__}].")
        self.own = own_classes()
        self.names = {cls: name for name, cls in self.own.items()}
        self.user = {_checked(cls).__name__: cls for cls in user}
        if len(self.user) < len({*user}):
            raise ValueError(f"classes has two of one name: {list(user)}.")
        self.met = set()  # classes named that are not skmm's or torch's

    def is_own(self, cls):
        """Whether a class is found without being passed."""
        return cls in self.names

    def name(self, cls):
        """Return what to write for a class: "skmm.nn.MLPEncoder", "module:Own"."""
        if cls in self.names:
            return self.names[cls]
        self.met.add(cls)
        return f"{cls.__module__}:{cls.__name__}"

    def find(self, name, base):
        """Return the class of a name, which must be a subclass of `base`.

        Raises
        ------
        ValueError
            If the class is not known, or is no such subclass.
        """
        module, colon, short = str(name).rpartition(":")
        cls = self.user.get(short) if colon else self.own.get(short)
        if cls is None and colon:
            raise ValueError(
                f"it holds an object of the class {short} of {module}, which is not "
                f"one of skmm; if you trust it, pass the class: load(path, classes="
                f"[{short}])"
            )
        if cls is None:
            raise ValueError(f"it names the class {name!r}, which skmm does not know")
        if not issubclass(cls, base):
            raise ValueError(f"it names the class {name!r} where it does not belong")
        return cls


def own_classes():
    """``{name: class}`` of what may be restored without being passed."""
    # not an import: base imports no room to its right, but meets them when called
    rooms = [sys.modules[package_name() + room] for room in ROOMS]
    public = {
        f"{room.__name__}.{name}": getattr(room, name)
        for room in rooms
        for name in room.__all__
    }
    known = {name: cls for name, cls in public.items() if _is_a(cls, BaseEstimator)}
    known |= {f"torch.nn.{name}": getattr(nn, name) for name in LAYERS}
    for name, cls in vars(torch.optim).items():
        if _is_a(cls, torch.optim.Optimizer):
            known[f"torch.optim.{name}"] = cls
    return known


def package_name():
    """Name of the whole package."""
    return __name__.partition(".")[0]


def _is_a(value, base):
    return inspect.isclass(value) and issubclass(value, base)


def _checked(cls):
    if _is_a(cls, (nn.Module, BaseEstimator, torch.optim.Optimizer)):
        return cls
    raise TypeError(
        "classes must be classes of Blocks, Objectives, torch modules, estimators or "
        f"optimizers; got {cls!r}."
    )
