"""Operations of one row: what layers of every kind need, however torch runs them."""

import pytest
import torch

from skmm import nn
from skmm._random import seeded
from skmm.nn.assemble import assemble
from skmm.nn.flops import operations

SHAPES = {"a": (3,), "b": (5,)}


def net(fusion, encoder=None, shapes=SHAPES):
    """A net with layers of four units before the fusion, and one output behind it."""
    encoders = dict.fromkeys(shapes, encoder or nn.MLPEncoder((4,)))
    return assemble(
        encoders, fusion, nn.MLPHead(()), shapes, 1, lambda *names: seeded(0)
    )


def test_linear_layers():
    assert operations(net(nn.ConcatFusion()), SHAPES) == 2 * (3 * 4 + 5 * 4 + 8)


def test_bilinear_layers():
    """Encoders; products of all units and two linear maps; the head."""
    expected = 2 * (3 * 4 + 5 * 4 + 4 * 4 * 6 + 4 * 6 + 4 * 6 + 6)
    assert operations(net(nn.BilinearFusion(width=6)), SHAPES) == expected


def attention_of(module):
    """Operations of linear layers and of attentions to one token."""
    layers = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
    found = [m for m in module.modules() if isinstance(m, torch.nn.MultiheadAttention)]
    inside = {id(m.out_proj) for m in found}
    linear = sum(2 * m.weight.numel() for m in layers if id(m) not in inside)
    maps, pairs = 4 * 2 * 8 * 8, 2 * 2 * 8  # query, key, value, output; score, mean
    return linear + len(found) * (maps + pairs)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("fusion", [nn.CrossAttentionFusion, nn.SelfAttentionFusion])
def test_attention(fusion, frozen):
    module = net(fusion(8)).requires_grad_(not frozen)
    with torch.no_grad():
        assert operations(module, SHAPES) == attention_of(module)


def test_patches_count_in_full():
    shapes = {"image": (1, 8, 8)}

    def cost(patch):
        module = net(nn.TransformerFusion(16), nn.PatchTokens(patch), shapes)
        return operations(module, shapes)

    assert cost(2) > 3 * cost(4)  # four times the tokens


def test_nothing_of_the_net_changes():
    module = net(nn.TransformerFusion(16)).train()
    before = torch.random.get_rng_state()
    operations(module, SHAPES)
    assert module.training
    assert all(p.grad is None for p in module.parameters())
    assert torch.equal(before, torch.random.get_rng_state())
