import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError

from skmm.nn import Flatten, MLPEncoder


@pytest.mark.parametrize("shape", [(3,), (1, 4, 4), (2, 3)])
def test_flatten_passes_values_in_order(shape):
    x = torch.randn(5, *shape)
    block = Flatten().build(shape)
    assert torch.equal(block(x), x.reshape(5, -1))
    assert block.out_features == x[0].numel()
    assert list(block.parameters()) == []


@pytest.mark.parametrize("shape", [(3,), (1, 4, 4), (2, 3)])
@pytest.mark.parametrize("hidden", [(8,), (8, 4)])
def test_mlp_shape(shape, hidden):
    block = MLPEncoder(hidden).build(shape)
    assert block(torch.zeros(5, *shape)).shape == (5, hidden[-1])
    assert block.out_features == hidden[-1]


def test_mlp_with_no_layers_flattens():
    x = torch.randn(5, 2, 3)
    assert torch.equal(MLPEncoder(()).build((2, 3))(x), x.flatten(1))


def test_mlp_by_hand():
    block = MLPEncoder((4,), activation="tanh").build((3,))
    x = torch.randn(5, 3)
    linear = block.layers[0]
    torch.testing.assert_close(block(x), torch.tanh(x @ linear.weight.T + linear.bias))


def test_the_last_layer_has_an_activation():
    x = torch.randn(50, 3)
    assert (MLPEncoder((4, 4)).build((3,))(x) >= 0).all()


def test_dropout_acts_in_training_only():
    block, x = MLPEncoder((200,), dropout=0.5).build((3,)), torch.ones(1, 3)
    assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))


def test_samples_are_independent():
    block, x = MLPEncoder((8, 8)).build((3,)).double(), torch.randn(6, 3).double()
    torch.testing.assert_close(block(x)[2:4], block(x[2:4]))


@pytest.mark.parametrize(
    "bad", [{"dropout": -0.1}, {"dropout": 1}, {"activation": "rule"}, {"hidden": 64}]
)
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        MLPEncoder(**bad)._validate_params()
