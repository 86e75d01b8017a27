"""Assembly of encoders, a fusion and a head into one module."""

from contextlib import nullcontext

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from skmm._random import float32_default
from skmm._warnings import warn
from skmm.data.validation import check_names
from skmm.nn.block import Block, PerModality
from skmm.nn.encoders import (
    Conv1dEncoder,
    ConvEncoder,
    HashedNGramEncoder,
    MLPEncoder,
)
from skmm.nn.heads import MLPHead
from skmm.nn.modality_module import ModalityModule
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


class MultimodalModule(ModalityModule):
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
        """Encode missing samples too, which stacks require; fusions mask them."""
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

    @property
    def text_readers(self):
        """Blocks among the encoders, by modality."""
        parts = zip(self.widths, self.encoders.children(), strict=True)
        return {name: part for name, part in parts if isinstance(part, Block)}

    def parts(self):
        """Submodules by the names that training uses."""
        encoders = {f"encoders__{name}": part for name, part in self.encoders.items()}
        return {**encoders, "fusion": self.fusion, "head": self.head}

    def forward(self, x, present=None, encoded=()):
        """``{modality: (batch, ...)}`` and a mask (batch, M) to (batch, outputs).

        For modalities named in `encoded`, x holds embeddings (batch, width). If the
        head has named outputs, the result is a dict of them.
        """
        return self.head(self.fuse(x, present, encoded))

    def fuse(self, x, present=None, encoded=()):
        """Fused embedding, (batch, width), or the named outputs of the fusion."""
        return self.fusion(self.encode(x, present, encoded), present)

    def encode(self, x, present=None, encoded=()):
        """``{modality: (batch, width)}``; of encoders of tokens (batch, T, width)."""
        masks = [None] * len(self.widths) if present is None else present.unbind(-1)
        parts = [*self.encoders.children()]
        return {  # torch 2.6 cannot compile a strict zip that calls `_encode`
            name: x[name]
            if name in encoded
            else self._encode(name, parts[i], x[name], masks[i])
            for i, name in enumerate(self.widths)
        }

    def encode_one(self, name, rows, mask=None):
        """Embedding of one modality."""
        return self._encode(name, self.encoders[name], rows, mask)

    def _encode(self, name, encoder, rows, mask):
        """Encode the present samples only: others must not enter a BatchNorm."""
        if mask is None or self.encode_all or mask.all():
            return encoder(rows)
        alone = self.training and mask.sum() == 1 and _has_batch_norm(encoder)
        if alone or not mask.any():  # one sample has no variance
            options = {"device": rows.device, "dtype": self._dtype()}
            return torch.zeros(len(rows), *self._shape(name, encoder, rows), **options)
        encoded = encoder(rows[mask])
        out = encoded.new_zeros(len(rows), *encoded.shape[1:])
        return out.index_copy(0, mask.nonzero()[:, 0], encoded)

    def _shape(self, name, encoder, rows):
        """Shape of the embedding of one sample, which may be several tokens."""
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
        A dict has encoders of some or all modalities; the others, and None, are chosen
        by shape. One Block or Module is used for all modalities.
    shapes : dict
        Shape of one sample of each modality: () is text, None ragged.
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
    """Return the default encoder for samples of a shape.

    ================================  ========================
    samples                           encoder
    ================================  ========================
    (d,), a table                     ``MLPEncoder()``
    (channels, length), 20 or longer  ``Conv1dEncoder()``
    (channels, height, width)         ``ConvEncoder()``
    other shapes                      ``MLPEncoder()``
    text                              ``HashedNGramEncoder()``
    several lengths                   error
    ================================  ========================

    Shapes that may be images of another form warn: two sides of at least 20, neither
    more than twice the other, which are read as a sequence; and two sides of at least 8
    before a last one of at most 4, which are read as (channels, height, width).
    """
    if shape is None:
        raise ValueError(
            f"modality {name!r} has samples of several lengths, which need an encoder. "
            f"Give one, encoders={{{name!r}: ...}}, or convert them to vectors first "
            "with skmm.preprocessing.ModalityTransformer."
        )
    if shape == ():
        return HashedNGramEncoder()
    if len(shape) == 3:
        _warn_channels_last(name, shape)
        return ConvEncoder()
    if len(shape) != 2 or shape[1] < Conv1dEncoder.default_length:
        return MLPEncoder()
    _warn_grey_image(name, shape)
    return Conv1dEncoder()


def _warn_grey_image(name, shape):
    if min(shape) >= Conv1dEncoder.default_length and max(shape) <= 2 * min(shape):
        warn(
            f"modality {name!r} has samples of shape {shape}, read as sequences of "
            f"length {shape[1]} with {shape[0]} channels. For greyscale images, add a "
            f"channel axis: X[{name!r}][:, None]; if not, set the encoder: "
            f"encoders={{{name!r}: Conv1dEncoder()}}."
        )


def _warn_channels_last(name, shape):
    first, second, last = shape
    if first != second and min(first, second) >= 8 and last <= 4:  # equal: an error
        warn(
            f"modality {name!r} has samples of shape {shape}, read as (channels, "
            "height, width). If the channels are last, use "
            f"np.moveaxis(X[{name!r}], -1, 1); if not, set the encoder: "
            f"encoders={{{name!r}: ConvEncoder()}}."
        )


def choose_head(head, fusion):
    """Return the given head, the head of the built fusion, or ``MLPHead()``."""
    own = fusion.own_head()
    if None not in (head, own) and type(head) is not type(own):
        raise ValueError(
            f"head must be None with fusion={type(fusion).__name__}, which has its own "
            f"head, {type(own).__name__}; got {head!r}."
        )
    return next((h for h in (head, own) if h is not None), MLPHead())


@float32_default()
def assemble(encoders, fusion, head, shapes, n_outputs, seeded=None):
    """Build clones of the templates, and return them as one module.

    Parameters
    ----------
    encoders : dict of str to Block or Module
        One per modality; see `complete`.
    fusion : Block
    head : Block or None
        None is the own head of the fusion, or ``MLPHead()``.
    shapes : dict
        Shape of one sample of each modality.
    n_outputs : int or None
        Number of outputs; None leaves it to the head.
    seeded : callable, optional
        ``seeded(*names)`` returns a context manager in which the part of this name is
        initialised.

    Returns
    -------
    MultimodalModule

    Raises
    ------
    TypeError, ValueError
        If a part cannot be built, its inputs or outputs are not those of such a part or
        do not match the part before it, or it mixes the samples of a mini-batch. All
        parts are tested on a few samples.
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
    """Whether a part may mix samples, which those of the package do not."""
    own = __name__.partition(".")[0]
    modules = {type(inner).__module__ for inner in part.modules()}
    packages = {name.partition(".")[0] for name in modules}
    return not isinstance(part, Block) or bool(packages - {own, "torch"})
