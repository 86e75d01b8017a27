"""Checks that every Block must pass."""

import pickle

import torch
from sklearn.base import clone
from torch import nn

from skmm.data.tensors import map_tensors, tensors_in
from skmm.nn.composite.stack import can_stack, stack
from skmm.nn.shape_inference import gives_of

__all__ = ["check_block", "same_weights"]


def same_weights(a, b):
    """Return whether two modules have equal parameters and buffers."""
    mine, other = a.state_dict(), b.state_dict()
    return mine.keys() == other.keys() and all(
        torch.equal(mine[key], other[key]) for key in mine
    )


def check_block(block, in_shape, inputs):
    """Check that a Block follows the rules for Blocks.

    Parameters
    ----------
    block : Block
        Not built.
    in_shape : tuple or dict
        Argument of ``build``.
    inputs : tuple
        Arguments of ``forward``, with two samples or more.

    Raises
    ------
    AssertionError
        At the first check that fails.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MLPEncoder
    >>> from skmm.utils.estimator_checks import check_block
    >>> check_block(MLPEncoder((8,)), (3,), (torch.ones(2, 3),))
    """
    check_constructs_without_arguments(block)
    check_parameter_names(block, in_shape)
    check_build_leaves_template(block, in_shape)
    check_clone(block, in_shape)
    check_output_width(block, in_shape, inputs)
    check_everything_learns(block, in_shape, inputs)
    check_pickling(block, in_shape, inputs)
    check_no_weight_decay_is_its_own(block, in_shape)
    check_stack(block, in_shape, inputs)


def check_constructs_without_arguments(block):
    """All hyper-parameters have defaults, and no weights are made before build."""
    fresh = type(block)()
    assert not fresh.is_built
    assert not list(fresh.parameters()), "weights are made in build, not before"


def check_parameter_names(block, in_shape):
    """Parameters neither shadow nn.Module nor are overwritten by build."""
    names = set(block.get_params(deep=False))
    clash = names & set(dir(nn.Module()))
    assert not clash, f"parameters {clash} are attributes of nn.Module"
    built = clone(block).build(in_shape)
    for name in names:
        same = repr(getattr(built, name)) == repr(getattr(block, name))
        assert same, f"build overwrote the parameter {name!r}"


def check_build_leaves_template(block, in_shape):
    """Building a clone does not touch the template."""
    clone(block).build(in_shape)
    assert not block.is_built


def check_clone(block, in_shape):
    """A clone of a built block has its weights; its parameters are then fixed."""
    built = clone(block).build(in_shape)
    again = clone(built)
    assert again is not built
    assert again.is_built
    assert same_weights(again, built)
    try:
        built.set_params(**block.get_params(deep=False))
    except ValueError:
        return
    assert not block.get_params(), "set_params of a built block must raise"


def check_output_width(block, in_shape, inputs):
    """The output is (batch, ..., out_features), or has the names in `gives`."""
    built = clone(block).build(in_shape).eval()
    outputs = built(*inputs)
    if not built.gives:
        assert outputs.shape[-1] == built.out_features
        return
    assert {*outputs} == {*gives_of(built)}, f"{outputs.keys()} is not {built.gives}"
    n_samples = len(tensors_in(inputs[0])[0])
    assert {len(tensor) for tensor in outputs.values()} == {n_samples}
    assert _values(outputs)[0].numel() == built.out_features


def check_everything_learns(block, in_shape, inputs):
    """Every weight is registered and gets a finite gradient."""
    built = clone(block).build(in_shape).train()
    if not list(built.parameters()):
        return
    outputs = _values(built(*inputs))
    weights = torch.linspace(0.5, 1.5, outputs.numel()).reshape(outputs.shape)
    ((outputs * weights).sum() + built.penalty()).backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient"
        assert torch.isfinite(parameter.grad).all(), f"{name}: gradient is not finite"


def check_pickling(block, in_shape, inputs):
    """A pickled block gives the same outputs."""
    built = clone(block).build(in_shape).eval()
    again = pickle.loads(pickle.dumps(built))
    assert torch.equal(_values(again(*inputs)), _values(built(*inputs)))


def _values(outputs):
    """Values of named outputs, masks not counted; a plain tensor as it is."""
    if not isinstance(outputs, dict):
        return outputs
    values = [t.flatten(1) for t in outputs.values() if t.is_floating_point()]
    return torch.cat(values, 1)


def check_no_weight_decay_is_its_own(block, in_shape):
    """What is exempt from weight decay is a parameter of the block itself."""
    built = clone(clone(block).build(in_shape))
    own = {id(parameter) for parameter in built.parameters()}
    assert all(id(parameter) in own for parameter in built.no_weight_decay())


def check_stack(block, in_shape, inputs):
    """A stack of two blocks, if they can be stacked, computes what each computes."""
    peers = [clone(block).build(in_shape).eval() for _ in range(2)]
    if not can_stack(peers[0]):
        return
    twice = [x if x is None else map_tensors(_twice, x) for x in inputs]
    with torch.no_grad():
        try:
            stacked = stack(peers)(*twice)
        except RuntimeError as error:
            raise AssertionError(
                f"stackable=True, but forward fails for inputs with a leading axis: "
                f"{error}"
            ) from error
        for i, peer in enumerate(peers):
            pairs = zip(tensors_in(peer(*inputs)), tensors_in(stacked), strict=True)
            assert all(
                alone.shape == both[i].shape
                and torch.allclose(alone, both[i], atol=1e-5)
                for alone, both in pairs
            ), "stackable=True, but a stack does not compute what each block computes"


def _twice(tensor):
    return torch.stack([tensor, tensor])
