"""Encoders of sequences."""

import pytest
import torch

from skmm.nn import Conv1dEncoder, ConvEncoder, HashedNGramEncoder, MLPEncoder
from skmm.nn.assemble import choose


def test_the_position_of_a_motif_does_not_matter():
    encoder = Conv1dEncoder((6, 6), kernel_size=3, batch_norm=False).build((4, 60))
    motif = torch.rand(4, 5)
    rows = torch.zeros(2, 4, 60)
    rows[0, :, 20:25] = rows[1, :, 36:41] = motif  # apart by a multiple of the stride
    out = encoder(rows)
    torch.testing.assert_close(out[0], out[1])
    rows[1, :, 36:41] = motif.flip(0)
    assert not torch.allclose(*encoder(rows))


def test_a_vector_is_one_channel():
    encoder = Conv1dEncoder().build((50,)).eval()
    x = torch.rand(3, 50)
    torch.testing.assert_close(encoder(x), encoder(x[:, None]))


def test_too_short_sequences_raise():
    with pytest.raises(ValueError, match=r"\(4, 19\).*too short.*kernel of 3"):
        Conv1dEncoder().build((4, 19))
    with pytest.raises(ValueError, match="expects sequences"):
        Conv1dEncoder().build((4, 8, 8))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((41,), MLPEncoder),
        ((4, 20), Conv1dEncoder),
        ((4, 19), MLPEncoder),
        ((1, 8, 8), ConvEncoder),
        ((1, 4, 4, 4), MLPEncoder),
    ],
)
def test_the_default_encoder_fits_the_shape(shape, kind):
    encoder = choose("m", shape)
    assert type(encoder) is kind
    assert encoder.build(shape).eval()(torch.rand(2, *shape)).ndim == 2


def test_text_is_read_by_n_grams():
    assert type(choose("m", ())) is HashedNGramEncoder
