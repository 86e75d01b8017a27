import math

import pytest
import torch
from rtdl_num_embeddings import PeriodicEmbeddings
from sklearn.utils._param_validation import InvalidParameterError

from skmm.nn import PeriodicEncoder
from skmm.training.optimizers import no_weight_decay

X = torch.randn(7, 5)


@pytest.mark.parametrize("lite", [False, True])
def test_embeddings_are_those_of_the_authors_package(lite):
    encoder = PeriodicEncoder(lite=lite, n_frequencies=4, dim=3).build((5,))
    peer = PeriodicEmbeddings(5, 3, n_frequencies=4, lite=lite)
    own, theirs = encoder.linear, peer.linear
    weight = own.weight.T if lite else own.weight  # (F,) 2k, d
    sines, cosines = weight.chunk(2, -2)
    with torch.no_grad():
        peer.periodic.weight.copy_(encoder.frequencies.weight[:, 0])
        swapped = torch.cat([cosines, sines], -2)
        theirs.weight.copy_(swapped.T if lite else swapped)
        theirs.bias.copy_(own.bias if lite else own.bias[:, 0])
    torch.testing.assert_close(encoder.embed(X), peer(X))


@pytest.mark.parametrize("lite", [False, True])
def test_a_feature_that_changes_moves_its_own_embedding_only(lite):
    encoder, other = PeriodicEncoder(lite=lite, sigma=1.0).build((5,)), X.clone()
    other[:, 2] += 1
    moved = (encoder.embed(X) - encoder.embed(other)).abs().amax((0, 2))
    assert moved[2] > 1e-3
    assert not moved[[0, 1, 3, 4]].any()


def test_embeddings_are_periodic():
    encoder = PeriodicEncoder(n_frequencies=1).build((5,))
    period = 1 / encoder.frequencies.weight[:, 0, 0]
    torch.testing.assert_close(encoder(X + period), encoder(X), atol=1e-4, rtol=1e-4)


def test_lite_shares_the_layer_of_the_features():
    def count(features, lite):
        block = PeriodicEncoder((), lite=lite, n_frequencies=4, dim=3)
        return sum(p.numel() for p in block.build((features,)).parameters())

    assert count(6, False) == 2 * count(3, False) == 6 * (4 + 9 * 3)
    assert count(6, True) - count(3, True) == 3 * 4
    encoder = PeriodicEncoder(lite=True).build((5,))
    with torch.no_grad():
        encoder.frequencies.weight[1] = encoder.frequencies.weight[0]
    found = encoder.embed(X[:, [0, 0, 2, 3, 4]])
    torch.testing.assert_close(found[:, 1], found[:, 0])


def test_the_first_frequencies_have_the_scale_sigma():
    for sigma in (0.05, 2):
        encoder = PeriodicEncoder(sigma=sigma, n_frequencies=200).build((50,))
        found = encoder.frequencies.weight.std().item()
        assert math.isclose(found, sigma, rel_tol=0.05)


def test_frequencies_do_not_decay():
    encoder = PeriodicEncoder().build((5,))
    assert [id(p) for p in no_weight_decay(encoder)] == [id(encoder.frequencies.weight)]


@pytest.mark.parametrize("lite", [False, True])
def test_images_are_flattened(lite):
    torch.manual_seed(0)
    encoder = PeriodicEncoder((8,), lite=lite).build((1, 2, 3))
    x = torch.randn(4, 1, 2, 3)
    assert encoder(x).shape == (4, 8)
    torch.testing.assert_close(encoder(x)[1:3], encoder(x[1:3]))


@pytest.mark.parametrize(
    "bad", [{"sigma": 0}, {"dim": 0}, {"n_frequencies": 0}, {"lite": 2}]
)
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        PeriodicEncoder(**bad)._validate_params()
