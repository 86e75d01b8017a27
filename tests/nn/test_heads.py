import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skmm.nn import MLPHead, ResidualHead


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_shape(hidden):
    head = MLPHead(hidden).build((7, 2))
    assert head(torch.zeros(5, 7)).shape == (5, 2)
    assert head.out_features == 2


def test_without_hidden_layers_it_is_linear():
    head = MLPHead(()).build((7, 2)).double()
    x, y = torch.randn(2, 5, 7, dtype=torch.float64)
    zero = head(torch.zeros(1, 7, dtype=torch.float64))
    torch.testing.assert_close(head(x + y) + zero, head(x) + head(y))


def test_no_activation_on_the_outputs():
    head = MLPHead((4,), activation="sigmoid").build((7, 2))
    assert type(head.predict) is nn.Linear
    with torch.no_grad():
        head.predict.bias.fill_(-50)
    assert (head(torch.zeros(3, 7)) < -40).all()


def test_dropout_acts_in_training_only():
    head = MLPHead((200,), dropout=0.5).build((7, 2))
    x = torch.ones(1, 7)
    head.train()
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


@pytest.mark.parametrize(
    "bad", [{"dropout": 1.0}, {"activation": "rule"}, {"hidden": 3}]
)
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        MLPHead(**bad)._validate_params()


def test_a_residual_head_starts_at_the_given_outputs():
    head, x = ResidualHead((8,)).build((6, 2)), torch.randn(5, 6)
    assert torch.equal(head(x), x[:, 4:])
    torch.nn.functional.mse_loss(head(x), torch.ones(5, 2)).backward()
    assert head.correct.weight.grad.abs().sum() > 0  # and can leave them
    torch.nn.init.ones_(head.correct.weight)
    assert not torch.equal(head(x), x[:, 4:])


def test_a_residual_head_passes_gradients_to_the_given_outputs():
    x = torch.randn(5, 6, requires_grad=True)
    ResidualHead(()).build((6, 2))(x).sum().backward()
    assert x.grad[:, :4].abs().sum() == 0 and (x.grad[:, 4:] == 1).all()


def test_a_residual_head_needs_more_than_the_outputs():
    with pytest.raises(ValueError, match=r"more than 2 columns.*got 2 columns"):
        ResidualHead().build((2, 2))
