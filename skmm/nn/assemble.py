"""Encoders, a fusion and a head become one module."""

import warnings
from contextlib import nullcontext

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skmm.data.validation import check_names
from skmm.nn.block import Block, PerModality
from skmm.nn.encoders import Conv1dEncoder, ConvEncoder, LSTMEncoder, MLPEncoder
from skmm.nn.heads import MLPHead
from skmm.nn.row_independence import check_rows_independent
from skmm.nn.shape_inference import (
    built,
    check_head,
    check_tokens,
    gives_of,
    probe_fusion,
    probe_head,
    probed_encoder,
)


class MultimodalModule(nn.Module):
    """Encode every modality, fuse, predict.

    Parameters
    ----------
    encoders : PerModality
    fusion, head : Block, built
    widths : dict of str to int
        Width of each modality's embedding.
    """

    stackable = True
    encode_all = False

    def __init__(self, encoders, fusion, head, widths):
        super().__init__()
        self.encoders = encoders
        self.fusion = fusion
        self.head = head
        self.widths = widths

    def enter_stack(self):
        """Encode missing samples too, as in every stack; fusions mask them."""
        self.encode_all = True

    @property
    def gives(self):
        """Names of the outputs; () is a tensor."""
        return gives_of(self.head, gives_of(self.fusion))

    @property
    def fused_features(self):
        """Width of the fused embedding."""
        return self.fusion.out_features

    @property
    def in_dtypes(self):
        """Dtype that each encoder reads; None for plain modules without a choice."""
        parts = zip(self.widths, self.encoders.children(), strict=True)
        return {name: getattr(part, "in_dtype", None) for name, part in parts}

    def parts(self):
        """Submodules by the names under which training knows them."""
        encoders = {f"encoders__{name}": part for name, part in self.encoders.items()}
        return {**encoders, "fusion": self.fusion, "head": self.head}

    def forward(self, x, present=None, encoded=()):
        """``{modality: (batch, ...)}`` and a mask (batch, M) to (batch, outputs).

        Modalities named in `encoded` bring embeddings, (batch, width). If the head
        gives named outputs, it is a dict of them.
        """
        return self.head(self.fuse(x, present, encoded))

    def fuse(self, x, present=None, encoded=()):
        """Fused embedding, (batch, width), or the named outputs of the fusion."""
        return self.fusion(self.encode(x, present, encoded), present)

    def encode(self, x, present=None, encoded=()):
        """``{modality: (batch, width)}``; of encoders of tokens (batch, T, width)."""
        masks = [None] * len(self.widths) if present is None else present.unbind(-1)
        parts = zip(self.widths, self.encoders.children(), masks, strict=True)
        return {
            name: x[name]
            if name in encoded
            else self._encode(name, part, x[name], mask)
            for name, part, mask in parts
        }

    def encode_one(self, name, rows, mask=None):
        """Embedding of one modality."""
        return self._encode(name, self.encoders[name], rows, mask)

    def _encode(self, name, encoder, rows, mask):
        """Encode the present rows only: others must not enter a BatchNorm."""
        if mask is None or self.encode_all or mask.all():
            return encoder(rows)
        alone = self.training and mask.sum() == 1 and _has_batch_norm(encoder)
        if alone or not mask.any():  # a batch of one has no variance
            options = {"device": rows.device, "dtype": self._dtype()}
            return torch.zeros(len(rows), *self._shape(name, encoder, rows), **options)
        encoded = encoder(rows[mask])
        out = encoded.new_zeros(len(rows), *encoded.shape[1:])
        return out.index_copy(0, mask.nonzero()[:, 0], encoded)

    def _shape(self, name, encoder, rows):
        """Shape of the embedding of one row; the encoder decides how many tokens."""
        if not getattr(encoder, "gives_tokens", False):
            return (self.widths[name],)
        mode = encoder.training
        with torch.no_grad():
            shape = encoder.eval()(rows[:1]).shape[1:]
        encoder.train(mode)
        return shape

    def _dtype(self):
        return next((p.dtype for p in self.parameters()), torch.float32)


def _has_batch_norm(module):
    return any(isinstance(part, _BatchNorm) for part in module.modules())


def complete(encoders, shapes):
    """Return one template per modality.

    Parameters
    ----------
    encoders : dict, Block, Module or None
        A dict names some or all modalities; what it leaves out, and None, is chosen
        by shape. One Block or Module serves all modalities.
    shapes : dict
        Shape of one row per modality: () is text, None ragged.
    """
    if isinstance(encoders, dict):
        check_names(encoders, shapes, "encoders")
        given = {name: block for name, block in encoders.items() if block is not None}
    else:
        given = dict.fromkeys(shapes, encoders) if encoders is not None else {}
    return {
        name: given[name] if name in given else choose(name, shapes[name])
        for name in shapes
    }


def choose(name, shape):
    """Return the default encoder for rows of a shape.

    ================================  ===================
    rows                              encoder
    ================================  ===================
    (d,), a table                     ``MLPEncoder()``
    (channels, length), 20 or longer  ``Conv1dEncoder()``
    (channels, height, width)         ``ConvEncoder()``
    other shapes                      ``MLPEncoder()``
    text                              ``LSTMEncoder()``
    several lengths                   none: an error
    ================================  ===================

    Two shapes may be images in disguise and warn: two sides of 20 or longer, neither
    more than twice the other, read as a sequence; and two sides of 8 or longer before a
    last one of at most 4, read as (channels, height, width).
    """
    if shape is None:
        raise ValueError(
            f"modality {name!r} has rows of several lengths, for which there is no "
            f"default encoder. Give one, encoders={{{name!r}: ...}}, or turn them into "
            "numbers first with skmm.preprocessing.ModalityTransformer."
        )
    if shape == ():
        return LSTMEncoder()
    if len(shape) == 3:
        _warn_channels_last(name, shape)
        return ConvEncoder()
    if len(shape) != 2 or shape[1] < Conv1dEncoder.default_length:
        return MLPEncoder()
    _warn_grey_image(name, shape)
    return Conv1dEncoder()


def _warn_grey_image(name, shape):
    if min(shape) >= Conv1dEncoder.default_length and max(shape) <= 2 * min(shape):
        _warn(
            f"modality {name!r} has rows of shape {shape}, read as {shape[0]} channels "
            f"of a sequence of {shape[1]}. If they are grey images, add the channel "
            f"axis, X[{name!r}][:, None]; if not, name the encoder: "
            f"encoders={{{name!r}: Conv1dEncoder()}}."
        )


def _warn_channels_last(name, shape):
    first, second, last = shape
    if first != second and min(first, second) >= 8 and last <= 4:  # equal: refused
        _warn(
            f"modality {name!r} has rows of shape {shape}, read as (channels, height, "
            f"width). If the channels are last, use np.moveaxis(X[{name!r}], -1, 1); "
            f"if not, name the encoder: encoders={{{name!r}: ConvEncoder()}}."
        )


def _warn(text):
    warnings.warn(text, UserWarning, stacklevel=6)


def choose_head(head, fusion):
    """Return the head that is given, that a built fusion needs, or ``MLPHead()``."""
    own = fusion.own_head()
    if None not in (head, own) and type(head) is not type(own):
        raise ValueError(
            f"fusion={type(fusion).__name__} brings its own head, "
            f"{type(own).__name__}; leave head=None, got {head!r}."
        )
    return next((h for h in (head, own) if h is not None), MLPHead())


def assemble(encoders, fusion, head, shapes, n_outputs, seeded=None):
    """Build clones of the templates into one module; the templates stay as they are.

    Parameters
    ----------
    encoders : dict of str to Block or Module
        One per modality, as from `complete`.
    fusion : Block
    head : Block or None
        None is the fusion's own head, or ``MLPHead()``.
    shapes : dict
        Shape of one row per modality.
    n_outputs : int or None
        None lets the head decide.
    seeded : callable, optional
        ``seeded(*names)`` returns a context manager in which the part of that name is
        initialised.

    Returns
    -------
    MultimodalModule

    Raises
    ------
    TypeError, ValueError
        If a part cannot be built, does not read or return what such a part does, does
        not read what the part before it gives, or mixes the samples of a batch; all are
        tried on a few samples.
    """
    seeded = seeded or (lambda *names: nullcontext())
    parts, widths = {}, {}
    for name, shape in shapes.items():
        where = f"encoders[{name!r}]"
        with seeded("encoder", name):
            parts[name] = built(encoders[name], shape, where)
            widths[name] = probed_encoder(parts[name], shape, where)
    check_tokens(parts, fusion)
    with seeded("fusion"):
        fusion = built(fusion, widths, "fusion")
        fused = probe_fusion(fusion, widths)
    sizes = fusion.out_features, n_outputs
    with seeded("head"):
        head = choose_head(head, fusion)
        check_head(head, fusion)
        head = built(head, sizes, "head")
        probe_head(head, sizes, fused if gives_of(fusion) else None)
    module = MultimodalModule(PerModality(parts), fusion, head, widths)
    if any(_is_foreign(part) for part in (*parts.values(), fusion, head)):
        check_rows_independent(module, shapes)
    return module


def _is_foreign(part):
    """Whether a part may mix samples: parts of the package do not."""
    own = __name__.partition(".")[0]
    modules = {type(inner).__module__ for inner in part.modules()}
    packages = {name.partition(".")[0] for name in modules}
    return not isinstance(part, Block) or bool(packages - {own, "torch"})
