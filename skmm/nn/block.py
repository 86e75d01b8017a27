"""Block: what every encoder, fusion and head is."""

import copy
import functools
from typing import ClassVar

import torch
from sklearn.base import BaseEstimator, clone
from torch import nn


class Block(BaseEstimator, nn.Module):
    """A network part with scikit-learn hyper-parameters.

    The constructor only stores hyper-parameters; ``build(in_shape)`` makes the
    weights, sets `out_features` and returns the block. So ``clone``, ``get_params``
    and ``set_params`` work on it, and one block serves as template for many nets.

    A block that is *built* means "start from these weights": cloning copies them,
    and its hyper-parameters can no longer be set.

    Attributes
    ----------
    in_dtype : torch.dtype
        What `forward` wants: ``torch.float32``, or ``torch.int64`` for tokens, in
        which case text arrives as padded UTF-8 bytes (1 to 256, 0 is padding).
    alone : bool
        Of a fusion, whether it can be built for one modality; where it cannot, an
        estimator that is left with one passes its embedding on, or lets its tokens
        attend to each other.
    gives, reads : tuple of str
        Names of the outputs that `forward` returns as a dict, and of those of the part
        before it that it reads; () is a plain tensor. None says that anything is
        passed on as it is.
    in_shape_ : tuple or dict
        What ``build`` was called with; exists afterwards, so that a built block can be
        built again when it is loaded.
    out_features : int
        Width of the output, of named ones the number of values of a sample, masks not
        counted; exists after ``build``.
    per_replica : dict of str to str
        Hyper-parameters in which the blocks of one stack may differ, and the buffer
        that holds each; in a stack it has the shape (replicas, 1, ...).
    stackable : bool
        Whether `forward` looks at the last axes only and has no weights but those of
        its layers; many refits can then be trained as one batch. A subclass says so
        itself, it is not inherited.

    Notes
    -----
    Rules that ``skmm.utils.estimator_checks.check_block`` tests: it constructs
    without arguments; nothing that ``build`` sets takes a parameter's name; no
    parameter is named as an attribute of ``torch.nn.Module``; a block given as a
    parameter is a template, of which ``build`` uses clones
    (`built_clone`).

    Examples
    --------
    >>> import torch
    >>> from sklearn.base import clone
    >>> from skmm.nn import MLPEncoder
    >>> template = MLPEncoder((8,))
    >>> clone(template).build((3,))(torch.zeros(5, 3)).shape
    torch.Size([5, 8])
    >>> template.is_built
    False
    """

    in_dtype = torch.float32
    gives: tuple | None = ()
    reads: tuple | None = ()
    stackable = False
    brings_head = False
    alone = True
    per_replica: ClassVar[dict] = {}
    _parameter_constraints: dict = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _noting_shape(cls.build)

    def __init__(self):
        super().__init__()

    def build(self, in_shape):
        """Make the weights for inputs of this shape.

        Parameters
        ----------
        in_shape : tuple of int, or dict
            Encoder: shape of one row. Fusion: ``{modality: width}``. Head: width and
            number of outputs.

        Returns
        -------
        self
        """
        raise TypeError(f"{type(self).__name__} must define build(self, in_shape).")

    def penalty(self):
        """Regularisation term that training adds to the loss once per batch.

        Overriding it takes this block's parameters out of weight decay.

        Returns
        -------
        Tensor, 0-d
        """
        return torch.zeros(())

    def undecayed(self):
        """Parameters of this block that weight decay must leave alone.

        Those of other blocks inside it are their own affair.

        Returns
        -------
        list of Parameter
        """
        return []

    def own_head(self):
        """Head that a built fusion needs behind it; None is whichever is wanted.

        A class that needs one says so, ``brings_head = True``.

        Returns
        -------
        Block or None
        """
        return None

    @property
    def is_built(self):
        """Whether the weights exist."""
        return "out_features" in self.__dict__

    def set_params(self, **params):
        """Set hyper-parameters; a built block refuses."""
        if params and self.is_built:
            raise ValueError(
                f"this {type(self).__name__} is built: its weights exist, so "
                f"{sorted(params)} can no longer be set. Make a new one."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        return copy.deepcopy(self) if self.is_built else super().__sklearn_clone__()

    def __setattr__(self, name, value):
        if isinstance(value, nn.Module) and name in self._get_param_names():
            object.__setattr__(self, name, value)  # a template, no submodule
        else:
            super().__setattr__(name, value)


def _noting_shape(build):
    """Wrap `build` so that it sets `in_shape_`; a subclass's has the last word."""

    @functools.wraps(build)
    def noting(self, in_shape, *args, **kwargs):
        built = build(self, in_shape, *args, **kwargs)
        self.in_shape_ = copy.copy(in_shape)
        return built

    return noting


def built_clone(template, in_shape):
    """Return a clone of a template that has weights: a built one brings its own.

    What ``build`` and ``assemble`` call on Blocks that they are given.

    Parameters
    ----------
    template : Block
    in_shape : tuple or dict
        As for ``Block.build``.

    Examples
    --------
    >>> from skmm.nn import MLPEncoder
    >>> from skmm.nn.block import built_clone
    >>> built_clone(MLPEncoder((8,)), (3,)).out_features
    8
    """
    block = clone(template)
    if "_modules" not in vars(block):
        raise TypeError(
            f"{type(block).__name__}.__init__ must call super().__init__() before "
            "anything else."
        )
    if not block.is_built:
        block._validate_params()
        block.build(in_shape)
    return block


class PerModality(nn.Module):
    """One submodule per modality, whatever its name.

    ``torch.nn.ModuleDict`` refuses names with a dot and names of its own methods.

    Parameters
    ----------
    parts : dict of str to Module
    """

    stackable = True

    def __init__(self, parts):
        super().__init__()
        self.keys_ = {name: f"modality_{_escaped(name)}" for name in parts}
        for name, part in parts.items():
            self.add_module(self.keys_[name], part)

    def __getitem__(self, name):
        return self._modules[self.keys_[name]]

    def __iter__(self):
        return iter(self.keys_)

    def __len__(self):
        return len(self.keys_)

    def items(self):
        """(name, module) pairs."""
        return [(name, self._modules[key]) for name, key in self.keys_.items()]


def _escaped(name):
    return name.replace("%", "%25").replace(".", "%2E")
