"""Shapes and sizes of decoders, and the layer that does not fit."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmm.nn import ConvDecoder, DecoderHead, MLPDecoder, MLPHead


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@given(
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_images_of_any_size_are_decoded(maps, height, width, scales):
    decoder = ConvDecoder((2,) * len(scales), kernel_size=3, scale=scales)
    total = math.prod(scales)
    if min(height, width) <= total:  # may be down to one pixel too early
        return
    decoder.build((4, (maps, height, width))).eval()
    assert decoder(torch.zeros(1, 4)).shape == (1, maps * height * width)
    small = decoder.sizes[0]
    assert small == (math.ceil(height / total), math.ceil(width / total))


def test_parameters_of_the_defaults():
    linear = 33 * 32 * 7 * 7
    convolutions = (32 * 25 + 1) * 16 + (16 * 25 + 1) * 1
    norms = 2 * (32 + 16)
    built = ConvDecoder().build((32, (1, 28, 28)))
    assert count(built) == linear + convolutions + norms
    assert count(MLPDecoder().build((250, (28, 28)))) == 251 * 784


def test_an_image_without_channels_has_one():
    shapes = [(1, 9, 7), (9, 7)]
    torch.manual_seed(0)
    first = ConvDecoder().build((3, shapes[0])).eval()
    second = ConvDecoder().build((3, shapes[1])).eval()
    second.load_state_dict(first.state_dict())
    rows = torch.rand(4, 3)
    assert torch.equal(first(rows), second(rows))


def test_values_are_in_the_order_of_the_image():
    decoder = ConvDecoder((2,), kernel_size=1, scale=1, batch_norm=False)
    decoder.build((1, (1, 2, 3)))
    linear, conv = decoder.layers[0], decoder.layers[-1]
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.arange(12.0))
        conv.weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        conv.bias.zero_()
    assert decoder(torch.zeros(1, 1)).tolist() == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("decoder", "shape", "match"),
    [
        (
            ConvDecoder((8,) * 5),
            (1, 8, 8),
            "too small for 5 layers: the maps after layer 2",
        ),
        (ConvDecoder(kernel_size=(5, 4)), (1, 8, 8), "got 4 for layer 2. Use 5"),
        (ConvDecoder(kernel_size=(5, 3, 3)), (1, 8, 8), "kernel_size"),
        (ConvDecoder(scale=(2, 0)), (1, 8, 8), "scale"),
        (ConvDecoder(()), (8,), r"got samples of shape \(8,\)"),
        (ConvDecoder((0,)), (1, 8, 8), "channels"),
    ],
)
def test_invalid_parameters_raise(decoder, shape, match):
    with pytest.raises(ValueError, match=match):
        decoder.build((4, shape))


def test_a_head_decodes_every_target_by_name():
    shapes = {"image": (4, 4), "table": (3,)}
    head = DecoderHead((6,), {"table": MLPDecoder((5,))}, shapes).build((2, 19))
    one = {
        name: part(head.layers(torch.ones(1, 2))) for name, part in head.targets.items()
    }
    out = head(torch.ones(1, 2))
    assert out.keys() == {*head.gives} == {"image", "table"}
    assert all(torch.equal(out[name], one[name]) for name in one)
    assert count(head) == 3 * 6 + 7 * 16 + 7 * 5 + 6 * 3
    with pytest.raises((ValueError, TypeError)):
        DecoderHead((), {"image": MLPHead()}, shapes).build((2, 19))


@pytest.mark.parametrize("shapes", [None, (1, 4, 4)])
def test_a_single_target_needs_no_name(shapes):
    head = DecoderHead((), MLPDecoder((5,)), shapes).build((2, 16))
    assert head.gives == ()
    assert head(torch.ones(3, 2)).shape == (3, 16)


def test_one_decoder_serves_all_targets():
    head = DecoderHead((), MLPDecoder((5,)), {"a": (2,), "b": (3,)}).build((2, 5))
    assert {name: out.shape[1] for name, out in head(torch.ones(1, 2)).items()} == {
        "a": 2,
        "b": 3,
    }
    assert count(head) == 2 * 3 * 5 + 6 * 2 + 6 * 3
