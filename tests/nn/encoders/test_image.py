"""Encoders of images: the thesis's networks, exact to the parameter."""

import pytest
import torch

from skmm.nn import Chemception, ConvEncoder, MLPHead
from skmm.nn.encoders.chemception import Residual


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("n_blocks", "total"), [((1, 1, 1), 60020), (3, 131918)])
def test_chemception_has_the_thesis_parameters_with_one_output(n_blocks, total):
    encoder = Chemception(n_blocks).build((4, 80, 80))
    head = MLPHead(()).build((encoder.out_features, 1))
    assert count(encoder) + count(head) == total


def test_chemception_maps_have_the_thesis_shapes():
    x, shapes = torch.zeros(1, 4, 80, 80), []
    for stage in Chemception().build((4, 80, 80)).stages.values():
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    sizes, widths = (39, 39, 19, 19, 9, 9), (16, 16, 64, 64, 126, 126)
    assert shapes == [(w, s, s) for w, s in zip(widths, sizes, strict=True)]


def test_chemception_blocks_are_the_identity_without_their_join():
    encoder = Chemception().build((4, 40, 40))
    blocks = [part for part in encoder.modules() if isinstance(part, Residual)]
    assert len(blocks) == 3
    for block in blocks:
        torch.nn.init.zeros_(block.join.weight)
        torch.nn.init.zeros_(block.join.bias)
        x = torch.rand(2, block.join.out_channels, 7, 7)
        torch.testing.assert_close(block(x), x)


def test_chemception_sees_where_a_pixel_stands():
    encoder = Chemception().build((1, 40, 40))
    a, b = torch.zeros(1, 1, 40, 40), torch.zeros(1, 1, 40, 40)
    a[..., 20, 20], b[..., 21, 20] = 5.0, 5.0
    assert not torch.allclose(encoder(a), encoder(b))


def test_chemception_filters_scale_every_width():
    assert Chemception(filters=32).build((4, 40, 40)).out_features == 252


def test_chemception_accepts_any_size_of_at_least_16():
    assert Chemception().build((2, 16, 33))(torch.zeros(1, 2, 16, 33)).shape == (1, 126)
    with pytest.raises(ValueError, match=r"16 x 16.*got 15 x 40.*'reduce_b'"):
        Chemception().build((4, 15, 40))
    with pytest.raises(ValueError, match="'stem'"):
        Chemception().build((4, 3, 3))


def test_conv_encoder_is_the_thesis_network():
    encoder = ConvEncoder().build((1, 80, 80))
    convolutions = 16 * 26 + 32 * (16 * 25 + 1) + 2 * (16 + 32)
    assert count(encoder) == convolutions + 12800 * 126 + 126 + 2 * 126
    kinds = [type(layer).__name__ for layer in encoder.maps]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"] * 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (1, 8, 8), (2, 13, 4)])
@pytest.mark.parametrize("hidden", [(), (6, 5)])
def test_conv_encoder_takes_any_size(shape, hidden):
    encoder = ConvEncoder((4, 3), kernel_size=(3, 4), pool=(1, 3), hidden=hidden)
    out = encoder.build(shape).eval()(torch.rand(2, *shape))
    assert out.shape == (2, encoder.out_features)
    assert torch.isfinite(out).all()


def test_the_global_mean_ignores_positions():
    encoder = ConvEncoder((4,), kernel_size=3, pool=1, hidden=(), batch_norm=False)
    encoder.build((1, 12, 12))
    a, b = torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 12, 12)
    a[..., 4:7, 4:7], b[..., 5:8, 3:6] = 1.0, 1.0
    torch.testing.assert_close(encoder(a), encoder(b))


def test_samples_that_are_not_images_raise():
    with pytest.raises(ValueError, match=r"\(8, 8\).*channel axis"):
        ConvEncoder().build((8, 8))
    with pytest.raises(
        ValueError, match=r"\(80, 80, 4\).*channels seem to be last.*moveaxis"
    ):
        Chemception().build((80, 80, 4))
    with pytest.raises(ValueError, match=r"kernel_size.*2 of them"):
        ConvEncoder((4, 4), kernel_size=(3, 3, 3)).build((1, 8, 8))
    with pytest.raises(ValueError, match="channels must be"):
        ConvEncoder((4, 0)).build((1, 8, 8))


def test_memory_layout_changes_no_value(monkeypatch):
    from skmm.nn.encoders import image

    torch.manual_seed(0)
    encoder, x = ConvEncoder().build((3, 12, 10)).eval(), torch.rand(4, 3, 12, 10)
    fast = encoder(x)
    monkeypatch.setattr(image, "channels_last", lambda x: x)
    torch.testing.assert_close(fast, encoder(x))
