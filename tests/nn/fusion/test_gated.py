"""Gates, experts, shifts and the central stream: formulas and limits."""

import numpy as np
import pytest
import torch

from skmm.nn import (
    ConcatFusion,
    ExpertFusion,
    GatedFusion,
    HierarchicalFusion,
    HighwayFusion,
    MeanFusion,
    ModalityShiftFusion,
    NoHarmFusion,
)
from tests.nn.fusion.variants import built, embeddings, masks

V, T = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 2.0]])


def identity_gate():
    block = GatedFusion().build({"v": 2, "t": 2})
    for _, layer in block.maps.items():
        layer.weight.data = torch.eye(2)
    return block


def test_a_gate_of_zero_weights_averages():
    block = identity_gate()
    block.gate.weight.data.zero_()
    expected = torch.tensor([[0.611856, 0.101217]])
    torch.testing.assert_close(block({"v": V, "t": T}), expected, atol=1e-6, rtol=0)


def test_a_saturated_gate_lets_one_pass():
    block = identity_gate()
    for sign, alone in ((1, V), (-1, T)):
        block.gate.weight.data = sign * torch.tensor([[1e4, 0, 0, 0], [0, -1e4, 0, 0]])
        torch.testing.assert_close(block({"v": V, "t": T}), torch.tanh(alone))


@pytest.mark.parametrize("factor", [0.0, 0.2, 0.5, 1.0])
def test_a_constant_gate_is_a_no_harm_factor(factor):
    """A constant unit of an embedding gives the gate a bias, the same in every row."""
    block, parts = built(GatedFusion, "ab"), embeddings(names="ab")
    parts["a"][:, -1] = 1.0
    block.gate.weight.data.zero_()
    bias = torch.tensor(1 - factor).double().logit(eps=1e-12)
    block.gate.weight.data[:, 3] = bias
    said = {name: torch.tanh(block.maps[name](part)) for name, part in parts.items()}
    expected = built(lambda: NoHarmFusion(factor), "ab")(said)
    torch.testing.assert_close(block(parts), expected)
    if factor == 0.5:
        torch.testing.assert_close(expected, built(MeanFusion, "ab")(said))


def test_gates_of_two_sum_to_one():
    block, parts = built(GatedFusion, ["a", "b"]), embeddings(names="ab")
    gates = block.gates(parts)
    torch.testing.assert_close(gates.sum(1), torch.ones(6, 4).double())
    assert block(parts).abs().max() < 1
    present = masks(names="ab")
    alone = block.gates(parts, present)[present.sum(1) == 1]
    assert set(alone.flatten().tolist()) == {0.0, 1.0}


def test_gates_of_three_are_free():
    block, parts = built(GatedFusion, "abc"), embeddings(names="abc")
    gates = block.gates(parts)
    x = torch.cat(list(parts.values()), 1)
    torch.testing.assert_close(gates.flatten(1), torch.sigmoid(block.gate(x)))
    said = [torch.tanh(block.maps[n](p)) for n, p in parts.items()]
    expected = (gates * torch.stack(said, 1)).sum(1)
    torch.testing.assert_close(block(parts), expected)


def test_a_closed_highway_passes_all():
    parts = embeddings(names="ab")
    closed = built(lambda: HighwayFusion(3, gate_bias=-1e3), "ab")
    torch.testing.assert_close(closed(parts), built(ConcatFusion, "ab")(parts))


def test_an_open_highway_is_a_layer():
    parts = embeddings(names="ab")
    block = built(lambda: HighwayFusion(gate_bias=1e3), "ab")
    x = torch.cat(list(parts.values()), 1)
    torch.testing.assert_close(block(parts), torch.relu(block.changes[0](x)))


def test_experts_are_weighted():
    block, parts = built(lambda: ExpertFusion((5,)), "ab"), embeddings(names="ab")
    weights, joined = block.weights(parts), torch.cat(list(parts.values()), 1)
    torch.testing.assert_close(weights.sum(1), torch.ones(6).double())
    said = [block.experts["a"](parts["a"]), block.experts["b"](parts["b"])]
    said = torch.stack([*said, block.joint(joined)], 1)
    torch.testing.assert_close(block(parts), (weights[..., None] * said).sum(1))


def test_a_choice_of_one_expert_is_that_expert():
    block, parts = built(lambda: ExpertFusion((5,)), "ab"), embeddings(names="ab")
    block.choice.bias.data = torch.tensor([0.0, 1e4, 0.0]).double()
    torch.testing.assert_close(block(parts), block.experts["b"](parts["b"]))


def test_experts_of_missing_modalities_have_weight_zero():
    block, present = built(lambda: ExpertFusion((5,)), "abc"), masks(names="abc")
    weights = block.weights(embeddings(names="abc"), present)
    assert (weights[:, :3][~present] == 0).all()
    assert (weights[:, :3][present] > 0).all() and (weights[:, 3] > 0).all()


def shift(beta, **settings):
    """A secondary modality that displaces by (6, 8)."""
    block = ModalityShiftFusion(beta=beta, **settings).build({"t": 2, "h": 2})
    block.gates["h"].weight.data.zero_()
    block.gates["h"].bias.data.fill_(1.0)
    block.maps["h"].weight.data = torch.eye(2)
    return block.eval()


def shifted_by_hand(block, t, others):
    """The fusion without its norm, in numpy, of the embeddings of each row."""
    total = np.zeros_like(t)
    for name, h in others.items():
        gate, weight = block.gates[name], block.maps[name].weight.detach().numpy()
        joined = np.concatenate([h, t], 1)
        opened = joined @ gate.weight.detach().numpy().T + gate.bias.detach().numpy()
        total += np.maximum(opened, 0) * (h @ weight.T)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    longest = block.beta * np.linalg.norm(t, axis=1, keepdims=True)
    return t + np.minimum(longest / (length + 1e-6), 1.0) * total


@pytest.mark.parametrize("beta", [0.3, 1.0, 100.0])
def test_a_shift_is_its_formula(beta):
    names = ["a", "t", "v"]
    block = built(lambda: ModalityShiftFusion("t", beta=beta), names)
    parts = embeddings(names=names)
    rows = {name: part.numpy() for name, part in parts.items()}
    moved = shifted_by_hand(block, rows.pop("t"), rows)
    centred = moved - moved.mean(1, keepdims=True)
    expected = centred / np.sqrt(moved.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(block(parts).detach().numpy(), expected, rtol=1e-6)


def test_the_primary_modality_opens_and_shuts_the_gates():
    block = ModalityShiftFusion(beta=1e6).build({"t": 1, "h": 1}).double().eval()
    block.norm = torch.nn.Identity()
    block.gates["h"].weight.data = torch.tensor([[0.0, 1.0]]).double()
    block.gates["h"].bias.data.zero_()
    block.maps["h"].weight.data.fill_(1.0)
    t, h = torch.tensor([[2.0], [-2.0], [3.0]]).double(), torch.full((3, 1), 5.0)
    found = block({"t": t, "h": h.double()})
    torch.testing.assert_close(found, t + t.relu() * 5.0)


@pytest.mark.parametrize(
    ("beta", "moved"), [(1.0, (6.0, 8.0)), (0.5, (4.5, 6.0)), (0.0, (3.0, 4.0))]
)
def test_a_shift_is_bounded(beta, moved):
    block = shift(beta)
    parts = {"t": torch.tensor([[3.0, 4.0]]), "h": torch.tensor([[6.0, 8.0]])}
    expected = block.norm(torch.tensor([moved]))
    torch.testing.assert_close(block(parts), expected)
    longer = block({**parts, "h": 10 * parts["h"]})
    torch.testing.assert_close(longer, expected)  # at the bound, length says nothing


def test_a_short_shift_is_taken_whole():
    block = shift(1.0)
    t, h = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.1, -0.3]])
    torch.testing.assert_close(block({"t": t, "h": h}), block.norm(t + h))
    torch.testing.assert_close(block({"t": t, "h": 0 * h}), block.norm(t))


def test_primary_selects_the_modality():
    widths = {"a": 2, "b": 5}
    assert ModalityShiftFusion().build(widths).out_features == 2
    assert ModalityShiftFusion("b").build(widths).out_features == 5
    with pytest.raises(ValueError, match=r"primary.*\['a', 'b'\].*got 'c'"):
        ModalityShiftFusion("c").build(widths)


def test_without_the_others_only_the_central_stream_remains():
    block = built(lambda: HierarchicalFusion((5, 4), activation="tanh"), "ab")
    parts = embeddings(names="ab")
    block.factors.data[1:], block.passes.data[:] = 0.0, 0.5
    streams = [torch.tanh(block.streams[0][n](p)) for n, p in parts.items()]
    centre = torch.tanh(block.central[0](sum(streams)))
    expected = torch.tanh(block.central[1](block.passes[0] * centre))
    torch.testing.assert_close(block(parts), expected)
    block.factors.data.zero_()
    same = block(parts)
    torch.testing.assert_close(same, same[:1].expand_as(same))


def test_every_depth_depends_on_the_modalities():
    block = built(lambda: HierarchicalFusion((5, 4, 3), activation="tanh"), "ab")
    parts = embeddings(names="ab")
    before = block(parts)
    for depth in range(3):
        kept = block.factors.data.clone()
        block.factors.data[depth] += 1.0
        assert not torch.allclose(block(parts), before)
        block.factors.data = kept
    with pytest.raises(ValueError, match="hidden must have at least one width"):
        HierarchicalFusion(()).build({"a": 2})
