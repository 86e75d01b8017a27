import numpy as np
import pytest
import torch
from torch import nn

from skmm.nn.layers import ACTIVATIONS, check_widths, dense_layers


def test_no_width_is_the_identity():
    layers, width = dense_layers(5, ())
    x = torch.randn(2, 5)
    assert width == 5 and torch.equal(layers(x), x)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_width_has_an_activation(name):
    layers, width = dense_layers(5, (4, 3), name)
    assert [type(m) for m in layers] == [nn.Linear, ACTIVATIONS[name]] * 2
    assert width == 3 and layers(torch.zeros(2, 5)).shape == (2, 3)


def test_dropout_follows_every_activation():
    layers, _ = dense_layers(5, (4, 3), dropout=0.5)
    assert [type(m) for m in layers] == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    assert layers[2].p == 0.5


@pytest.mark.parametrize(
    "hidden", [64, "64", (0,), (-1,), (3.0,), None, {3: 4}, ("3",)]
)
def test_invalid_widths_raise(hidden):
    with pytest.raises(ValueError, match="hidden must be a tuple of positive integers"):
        check_widths(hidden)


@pytest.mark.parametrize("hidden", [(), [], (3,), [3, 4], (np.int64(3),)])
def test_valid_widths_become_a_list_of_int(hidden):
    widths = check_widths(hidden)
    assert widths == [*hidden] and all(type(width) is int for width in widths)
