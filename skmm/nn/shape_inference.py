"""Build every part and test it on two samples, so that errors name the part.

=========  ==================================================================
part       contract
=========  ==================================================================
encoder    ``build(shape of one sample)``; (batch, ...) to (batch,
           out_features), or (batch, tokens, out_features) if it has
           ``gives_tokens = True``
fusion     ``build({modality: width})``; parts and mask to (batch, out_features)
head       ``build((width, outputs))``; (batch, width) to (batch, outputs)
=========  ==================================================================

A fusion or head with `gives` returns a dict of tensors of these names instead, with
the samples along the first axis of each.
"""

import copy
from contextlib import contextmanager

import torch
from torch import nn

from skmm._sklearn import InvalidParameterError
from skmm._views import quantity
from skmm.data.categories import categories_of
from skmm.data.tensors import names_in
from skmm.nn.block import Block, built_clone

CONTRACTS = {
    "encoder": "An encoder has build(shape of one sample) and forward(x), (batch, ...) "
    "to (batch, out_features).",
    "fusion": "A fusion has build({modality: width}) and forward(parts, present=None), "
    "{modality: (batch, width)} and a mask (batch, M) to (batch, out_features).",
    "head": "A head has build((width, outputs)) and forward(embedding), (batch, width) "
    "to (batch, outputs).",
}


def built(template, in_shape, where):
    """Return a clone of a template, with weights.

    Parameters
    ----------
    template : Block, or Module if it is an encoder
    in_shape : tuple or dict
        See ``Block.build``.
    where : str
        Name of the parameter for errors: "fusion", "head" or "encoders['image']".

    Raises
    ------
    TypeError, ValueError
        If it is not such a part, or cannot be built.
    """
    plain = isinstance(template, nn.Module) and not isinstance(template, Block)
    if categories_of(in_shape) and not getattr(template, "takes_categories", False):
        _raise_for_categories(template, in_shape, where)
    if plain and _role(where) == "encoder":
        return _in_float32(copy.deepcopy(template))
    if not isinstance(template, Block):
        _raise_for_type(template, where)
    if in_shape == () and template.in_dtype != torch.int64:
        _raise_for_text(template, where)
    with _naming(template, where, f"be built for {_what(where, in_shape)}"):
        block = _in_float32(built_clone(template, in_shape))
    if not block.is_built:
        raise ValueError(
            f"{where}: {type(block).__name__}.build must set self.out_features, the "
            "width of the result of forward."
        )
    return block


def _in_float32(module):
    """Convert weights of float64 in place, unless the module reads float64."""
    double = any(p.dtype == torch.float64 for p in module.parameters())
    reads_double = getattr(module, "in_dtype", None) == torch.float64
    return module.float() if double and not reads_double else module


def probed_encoder(encoder, shape, where):
    """Width of the embedding of samples of this shape."""
    return _probed(encoder, (zero_rows(encoder, shape),), where, shape).shape[-1]


def probe_fusion(fusion, widths, where="fusion"):
    """Check that a fusion returns (batch, out_features), or its named outputs.

    Returns
    -------
    Tensor or dict of str to Tensor
        Its result for two samples of zeros.
    """
    device = _device(fusion)
    parts = {
        name: torch.zeros(2, width, device=device) for name, width in widths.items()
    }
    present = torch.ones(2, len(widths), dtype=torch.bool, device=device)
    return _probed(fusion, (parts, present), where, widths)


def give_tokens(encoders):
    """Names of the modalities whose encoders return several tokens per sample.

    Parameters
    ----------
    encoders : dict of str to Block or Module
    """
    return [n for n, part in encoders.items() if getattr(part, "gives_tokens", False)]


def check_tokens(encoders, fusion):
    """Check that a fusion accepts tokens if an encoder returns them."""
    many = give_tokens(encoders)
    if many and not getattr(fusion, "takes_tokens", False):
        raise ValueError(
            f"the encoders of {many} return several tokens per sample, but "
            f"fusion={type(fusion).__name__} needs one vector. Use TransformerFusion, "
            "CrossAttentionFusion or SelfAttentionFusion, or an encoder of one vector, "
            "such as ConvEncoder or LSTMEncoder."
        )


def probe_head(head, in_shape, fused=None, where="head"):
    """Check that a head returns (batch, outputs), or its named outputs.

    Parameters
    ----------
    head : Block
    in_shape : tuple
        See ``Block.build``.
    fused : Tensor or dict of str to Tensor, optional
        Two samples; None is zeros.
    where : str, default="head"
        Name of the parameter for errors.
    """
    width, outputs = in_shape
    fused = torch.zeros(2, width, device=_device(head)) if fused is None else fused
    names = tuple(fused) if isinstance(fused, dict) else ()
    _probed(head, (fused,), where, in_shape, outputs, gives_of(head, names))


def _probed(part, inputs, where, in_shape, expected=None, names=None):
    """Output for two samples in prediction; the mode of the part is restored."""
    mode = part.training
    try:
        with _naming(part, where, f"read {_what(where, in_shape)}"), torch.no_grad():
            out = part.eval()(*inputs)
    finally:
        part.train(mode)
    expected = expected or getattr(part, "out_features", None)
    if names := gives_of(part) if names is None else names:
        _check_named(part, where, out, expected, names)
    else:
        _check_output(part, where, out, expected)
    return out


def _check_named(part, where, out, expected, names):
    found = {name: tuple(t.shape) for name, t in out.items()} if _is_named(out) else out
    if not _is_named(out) or {*out} != {*names}:
        raise ValueError(
            f"{where}: {type(part).__name__} must return a dict of tensors with the "
            f"keys {list(names)}, its `gives`; got {found}."
        )
    values = [t for t in out.values() if t.is_floating_point()]
    width = sum(t[0].numel() for t in values if len(t))
    if any(len(t) != 2 for t in out.values()) or expected not in (None, width):
        raise ValueError(
            f"{where}: {type(part).__name__} returned the shapes {found} for 2 "
            "samples; the first axis of each must be that of the samples, and all "
            f"together must have {expected or 'some'} values per sample, masks not "
            "counted."
        )


def _is_named(out):
    if not isinstance(out, dict):
        return False
    return all(isinstance(t, torch.Tensor) and t.ndim for t in out.values())


def _check_output(part, where, out, expected):
    got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
    axes = 3 if getattr(part, "gives_tokens", False) else 2
    ok = isinstance(out, torch.Tensor) and out.ndim == axes and len(out) == 2
    if not ok or expected not in (None, out.shape[-1]):
        wanted = f"(2{', tokens' * (axes - 2)}, {expected or 'width'})"
        raise ValueError(
            f"{where}: {type(part).__name__} returned {got} for 2 samples; expected a "
            f"tensor of shape {wanted}. {CONTRACTS[_role(where)]}"
        )


@contextmanager
def _naming(part, where, task):
    """Raise errors with the name of the part, its task, and what it must do."""
    errors = (ValueError, TypeError, RuntimeError, AttributeError, LookupError)
    try:
        yield
    except InvalidParameterError as error:
        raise ValueError(f"{where}: {error}") from error
    except errors as error:
        if "allocate" in str(error):
            raise MemoryError(
                f"{where}: there is too little memory for {type(part).__name__} to "
                f"{task}. Use encoders with fewer units, or another {_role(where)}."
            ) from error
        wrong_part = isinstance(error, (TypeError, AttributeError))
        kind = (
            TypeError
            if wrong_part and not isinstance(error, ValueError)
            else ValueError
        )
        raise kind(
            f"{where}: {type(part).__name__} cannot {task}: {str(error).rstrip('.')}. "
            f"{CONTRACTS[_role(where)]}"
        ) from error


def _role(where):
    return where if where in ("fusion", "head") else "encoder"


def _what(where, in_shape):
    if where == "fusion":
        return f"embeddings of widths {in_shape}"
    if where == "head":
        return (
            f"an embedding of width {in_shape[0]} and {quantity(in_shape[1], 'output')}"
        )
    return f"samples of shape {in_shape}"


def _raise_for_type(part, where):
    both = _role(where) == "encoder"
    wanted = "a Block or torch.nn.Module" if both else "a Block"
    got, fix = repr(part), ""
    if isinstance(part, type):
        got, fix = (
            f"the class {part.__name__}",
            f" Pass an instance: {part.__name__}().",
        )
    raise TypeError(
        f"{where} must be {wanted}; got {got}.{fix} {CONTRACTS[_role(where)]}"
    )


def _raise_for_text(part, where):
    raise ValueError(
        f"{where}: {type(part).__name__} expects numbers; got text. Use an encoder of "
        "text, such as HashedNGramEncoder(), or convert the text to numbers first with "
        "skmm.preprocessing.ModalityTransformer (for SMILES: MoleculeFingerprint)."
    )


def _raise_for_categories(part, shape, where):
    names = [shape.names[i] for i in shape.categories][:5]
    raise TypeError(
        f"{where}: {type(part).__name__} expects numbers, but columns {names} are not "
        "numeric. Use CategoricalEmbedding(), or encode them first with "
        "skmm.preprocessing.ModalityTransformer, such as "
        "make_column_transformer((OneHotEncoder(), columns))."
    )


def zero_rows(encoder, shape, n_rows=2):
    """Rows of zeros, as an encoder reads them."""
    device = _device(encoder)
    if shape is None or shape == ():  # tokens
        return torch.zeros(n_rows, 8, dtype=torch.int64, device=device)
    dtype = getattr(encoder, "in_dtype", torch.float32)
    return torch.zeros(n_rows, *shape, dtype=dtype, device=device)


def random_rows(encoder, shape, n_rows=2, generator=None):
    """Rows of numbers from 0 to 1, as an encoder reads them.

    Rows of whole numbers are padding without a `generator`; else they are 0 or 1, as
    there may be as few tokens, and of text also other bytes.
    """
    rows = zero_rows(encoder, shape, n_rows)
    if rows.is_floating_point():
        return torch.rand(rows.shape, generator=generator).to(rows.dtype)
    if generator is None:
        return rows
    most = 32 if shape == () else 2
    return torch.randint(most, rows.shape, generator=generator).to(rows.dtype)


def _device(part):
    return next((weight.device for weight in part.parameters()), None)


def gives_of(part, before=()):
    """Names of the outputs of a part; () is a plain tensor.

    Parameters
    ----------
    part : Module
    before : tuple of str, default=()
        Outputs of the part before it, which some parts pass on.
    """
    names = names_in(getattr(part, "gives", ()))
    return before if names is None else names


def check_reads(reader, reads, giver, gives, fix):
    """Check that a part gets the outputs that it reads.

    Parameters
    ----------
    reader, giver : str
        What errors call the two parts, such as "head=MLPHead".
    reads, gives : str, tuple of str or None
        () is a plain tensor, None is unknown.
    fix : str
        Advice, for errors.

    Raises
    ------
    ValueError
        If a name is missing, or only one of them is a plain tensor.
    """
    reads, gives = names_in(reads), names_in(gives)
    if reads is None or gives is None:
        return
    if bool(reads) == bool(gives) and {*reads} <= {*gives}:
        return
    raise ValueError(
        f"{reader} reads {_shown(reads)}, but {giver} gives {_shown(gives)}. {fix}"
    )


def _shown(names):
    if not names:
        return "a plain tensor"
    return f"the named output{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def check_head(head, fusion):
    """Check that a head reads the outputs of a fusion."""
    gives, reads = gives_of(fusion), getattr(head, "reads", ())
    if gives == ("mixtures", "available") or reads == ("mixtures", "available"):
        fix = "MulMixClassifier joins MixtureFusion with MixtureHead; else use "
    else:
        fix = "Use "
    if gives:
        fix += "a fusion of a plain tensor, such as ConcatFusion, or a head for these."
    else:
        fix += "a head that reads a plain tensor, such as MLPHead."
    names = f"head={type(head).__name__}", f"fusion={type(fusion).__name__}"
    check_reads(names[0], reads, names[1], gives, fix)


def check_plain(module, where):
    """Check that a net has one tensor of outputs."""
    head = getattr(module, "head", module)
    fix = "Use a head with one tensor of outputs, such as MLPHead."
    check_reads(where, (), f"head={type(head).__name__}", gives_of(module), fix)


def check_objective_reads(objective, module):
    """Check that an objective reads the outputs of a module."""
    reads, gives = getattr(objective, "reads", None), getattr(module, "gives", None)
    part = getattr(module, "head", None) if hasattr(module, "fusion") else None
    giver = type(module).__name__ if part is None else f"head={type(part).__name__}"
    fix = (
        "Use a head that returns them, or an objective of a plain tensor, such as "
        "'cross_entropy' or 'squared_error'."
    )
    if gives:
        fix = "Use an objective that reads these, or a head of a plain tensor."
    check_reads(f"objective {type(objective).__name__}", reads, giver, gives, fix)
