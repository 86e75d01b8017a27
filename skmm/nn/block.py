"""Block: the base class of encoders, fusions, heads and decoders."""

import copy
import functools
import warnings
from typing import ClassVar

import torch
from sklearn.base import BaseEstimator, clone
from torch import nn

from skmm._class_registry import register
from skmm._params import cached_param_names
from skmm._sklearn import InvalidParameterError


class Renamed:
    """Attribute of a class and its instances under a deprecated name."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def __get__(self, instance, owner):
        _warn_renamed(self.old, self.new)
        return getattr(owner if instance is None else instance, self.new)

    def __set__(self, instance, value):
        _warn_renamed(self.old, self.new)
        setattr(instance, self.new, value)


class Block(BaseEstimator, nn.Module):
    """A part of a network with scikit-learn hyper-parameters.

    The constructor only stores hyper-parameters; ``build(in_shape)`` creates the
    weights, sets `out_features` and returns the block. ``clone``, ``get_params`` and
    ``set_params`` therefore work on it, and one block serves as template for many nets.

    A *built* block means "start from these weights": cloning copies them, and its
    hyper-parameters can no longer be set.

    Attributes
    ----------
    in_shape_ : tuple or dict
        The argument of ``build``, set by ``build``; a saved block is built again with
        it when it is loaded.
    out_features : int
        Width of the output, of named ones the number of values of a sample, masks not
        counted; set by ``build``.
    gives, reads : str or tuple of str, default=()
        Names of the outputs that `forward` returns as a dict, and of those of the part
        before it that it reads; () is a plain tensor. None means that anything is
        passed on as it is.
    in_dtype : torch.dtype, default=torch.float32
        The dtype that `forward` expects. With ``torch.int64``, text arrives as padded
        UTF-8 bytes (1 to 256; 0 is padding).
    takes_categories : bool, default=False
        Of an encoder: whether it reads tables with columns of categories, as their
        codes; see ``skmm.data.categories``. The shape in ``build`` has an attribute
        `categories` then.
    gives_tokens : bool, default=False
        Of an encoder: whether `forward` returns (batch, tokens, out_features) instead
        of (batch, out_features).
    takes_tokens : bool, default=False
        Of a fusion: whether it accepts embeddings of shape (batch, tokens, width).
    supports_single : bool, default=True
        Of a fusion: whether it can be built for a single modality. If not, an estimator
        with one modality left uses `ConcatFusion`, or `SelfAttentionFusion` for tokens.
    brings_head : bool
        Of a fusion: whether its class defines `own_head`; set automatically.
    search_space : dict, default={}
        What is worth trying, ``{hyper-parameter: values}``: a list of choices, or a
        tuple ``(low, high)`` for a uniform range. A search also covers the present
        value. A method ``default_search_space()`` that returns a dict replaces it.
    stackable : bool, default=False
        Whether `forward` only uses the last axes of its inputs and has no weights
        except those of its layers; many refits can then be trained as one batch. Not
        inherited: each subclass must set it.
    per_replica : dict of str to str, default={}
        Hyper-parameters in which the blocks of one stack may differ, and the buffer
        that holds each; in a stack its shape is (replicas, 1, ...).
    replica_buffers : tuple of str, default=()
        Other buffers of a stackable block, such as those that `adapt` sets; in a stack
        their shapes are (replicas, 1, ...). Training must not change them.

    Notes
    -----
    `skmm.utils.block_checks.check_block` tests these rules: the constructor needs no
    arguments; ``build`` never sets an attribute with the name of a hyper-parameter; no
    hyper-parameter has the name of an attribute of ``torch.nn.Module``; a block given
    as a hyper-parameter is a template, of which ``build`` uses clones (`built_clone`).

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

    _get_param_names = cached_param_names
    in_dtype = torch.float32
    takes_categories = False
    gives_tokens = False
    takes_tokens = False
    supports_single = True
    gives: tuple | None = ()
    reads: tuple | None = ()
    brings_head = False
    search_space: ClassVar[dict] = {}
    stackable = False
    per_replica: ClassVar[dict] = {}
    replica_buffers: ClassVar[tuple] = ()
    in_stack = False
    alone = Renamed("alone", "supports_single")
    _parameter_constraints: dict = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls, "nn")
        if "build" in vars(cls):
            cls.build = _noting_shape(cls.build)
        if "own_head" in vars(cls):
            cls.brings_head = vars(cls).get("brings_head", True)
        _follow_old_names(cls)

    def __init__(self):
        super().__init__()

    def build(self, in_shape):
        """Create the weights for inputs of this shape.

        Parameters
        ----------
        in_shape : tuple of int, or dict
            Encoder: shape of one sample. Fusion: ``{modality: width}``. Head:
            ``(width, n_outputs)``. Decoder: ``(width, shape of one sample)``.

        Returns
        -------
        self
        """
        raise TypeError(f"{type(self).__name__} must define build(self, in_shape).")

    def adapt(self, x, weight=None):
        """Learn from the training samples what is not learnt by gradients.

        An estimator calls it of each encoder, after ``build`` and before training. It
        does nothing by default; an encoder passes it on to Blocks inside it. It must
        set buffers only, in place (``copy_``), as one call serves all nets of a packed
        ensemble, and must not depend on the global random state.

        It is called once for each new encoder: in a fit or the first `partial_fit`, but
        neither if training goes on (``warm_start=True``) nor for an encoder that was
        given built, which keeps its statistics.

        Parameters
        ----------
        x : Tensor, or source of ``skmm.data.sources``
            Training samples in which the modality is present, at least one, without
            those of the validation set. It has a length and a device; slices of it, and
            ``x[index]`` with an integer Tensor, are Tensors of shape (n, ...) and of
            the dtype `in_dtype`. It may be larger than the memory:
            ``skmm.nn.scaling.sampled`` draws some samples.
        weight : Tensor of shape (n_samples,), optional
            Product of sample and class weights, above zero; None is equal weights.

        Returns
        -------
        self
        """
        return self

    def penalty(self):
        """Regularisation term, added to the loss of every mini-batch in training.

        A block that overrides it is exempt from weight decay.

        Returns
        -------
        Tensor, 0-d
        """
        return torch.zeros(())

    def no_weight_decay(self):
        """Return the parameters of this block that are exempt from weight decay.

        Blocks inside it exempt their own.

        Returns
        -------
        list of Parameter
        """
        return []

    def own_head(self):
        """Return the head that must follow a built fusion; None allows any.

        Returns
        -------
        Block or None
        """
        return None

    def undecayed(self):
        """Deprecated name of `no_weight_decay`."""
        _warn_renamed("undecayed", "no_weight_decay")
        return Block.no_weight_decay(self)

    @property
    def is_built(self):
        """Whether the weights exist."""
        return "out_features" in self.__dict__

    def _validate_params(self):
        """Check hyper-parameters; True and False are not numbers here."""
        super()._validate_params()
        for name, allowed in self._parameter_constraints.items():
            value = getattr(self, name, None)
            if isinstance(value, bool) and not any(a == "boolean" for a in allowed):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a "
                    f"number, not {value}."
                )

    def set_params(self, **params):
        """Set hyper-parameters; raises ValueError if the block is built."""
        if params and self.is_built:
            raise ValueError(
                f"this {type(self).__name__} is built: its weights exist, so "
                f"{sorted(params)} can no longer be set. Create a new one."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        return copy.deepcopy(self) if self.is_built else super().__sklearn_clone__()

    def __setattr__(self, name, value):
        if isinstance(value, nn.Module) and name in self._get_param_names():
            object.__setattr__(self, name, value)  # a template, not a submodule
        else:
            super().__setattr__(name, value)


def _noting_shape(build):
    """Wrap `build` so that it sets `in_shape_`; the outermost subclass sets it last."""

    @functools.wraps(build)
    def noting(self, in_shape, *args, **kwargs):
        built = build(self, in_shape, *args, **kwargs)
        self.in_shape_ = copy.copy(in_shape)
        return built

    return noting


RENAMED = {"undecayed": "no_weight_decay", "alone": "supports_single"}


def _follow_old_names(cls):
    """Let a subclass that uses an old name work, with a warning."""
    own = vars(cls)
    for old, new in RENAMED.items():
        if old in own and new not in own:
            _warn_renamed(f"{cls.__name__}.{old}", new, stacklevel=4)
            setattr(cls, new, own[old])
    if "no_weight_decay" in own and "undecayed" not in own:
        cls.undecayed = _old_method(own["no_weight_decay"])


def _old_method(method):
    """`undecayed` of one class, so that ``super().undecayed()`` stays in its place."""

    def undecayed(self):
        """Deprecated name of `no_weight_decay`."""
        _warn_renamed("undecayed", "no_weight_decay")
        return method(self)

    return undecayed


def _warn_renamed(old, new, stacklevel=3):
    message = f"{old} was renamed to {new}; the old name will be removed in 0.3."
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)


def built_clone(template, in_shape):
    """Return a built clone of a template; a built template keeps its weights.

    ``build`` and ``assemble`` call it on the Blocks that they are given.

    Parameters
    ----------
    template : Block
    in_shape : tuple or dict
        See ``Block.build``.

    Returns
    -------
    Block

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

    ``torch.nn.ModuleDict`` rejects names that contain a dot or are names of its own
    methods.

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
