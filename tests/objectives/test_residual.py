import pytest
import torch

from skmm.objectives import CrossEntropy, HuberError, ResidualLoss, SquaredError

SAID, TARGET = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
TARGET = TARGET[:, :2]
WEIGHT = torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])
ORDERS = [1, 1, 2]


def gradient(loss, weight=None):
    said = SAID.clone().requires_grad_()
    loss(said, TARGET, weight).backward()
    return said.grad


def test_is_the_sum_of_the_losses_up_to_each_order():
    loss, inner = ResidualLoss(SquaredError(), ORDERS), SquaredError()
    first = SAID[:, :2] + SAID[:, 2:4]
    expected = inner(first, TARGET, WEIGHT) + inner(first + SAID[:, 4:], TARGET, WEIGHT)
    torch.testing.assert_close(loss(SAID, TARGET, WEIGHT), expected)


def test_lower_orders_do_not_notice_higher_ones():
    alone = SAID[:, :4].clone().requires_grad_()
    ResidualLoss(SquaredError(), [1, 1])(alone, TARGET, WEIGHT).backward()
    got = gradient(ResidualLoss(SquaredError(), ORDERS), WEIGHT)
    assert torch.equal(got[:, :4], alone.grad)


def test_higher_orders_learn_what_is_left():
    joint = gradient(ResidualLoss(SquaredError(), ORDERS, joint=True))
    got = gradient(ResidualLoss(SquaredError(), ORDERS))
    assert torch.equal(got[:, 4:], joint[:, 4:])
    assert not torch.allclose(got[:, :4], joint[:, :4])


def test_joint_is_the_loss_of_the_sum():
    total = SAID.unflatten(1, (3, 2)).sum(1)
    joint = ResidualLoss(SquaredError(), ORDERS, joint=True)
    torch.testing.assert_close(joint(SAID, TARGET), SquaredError()(total, TARGET))
    plain = ResidualLoss(SquaredError(), ORDERS)
    assert plain.validation(SAID, TARGET) == joint(SAID, TARGET)


def test_one_order_is_the_objective():
    y = torch.tensor([0, 1, 2, 1, 0])
    expected = CrossEntropy()(SAID, y, WEIGHT)
    assert torch.equal(ResidualLoss(CrossEntropy())(SAID, y, WEIGHT), expected)


def test_the_objective_is_checked():
    with pytest.raises(ValueError, match="delta"):
        ResidualLoss(HuberError(-1.0))._validate_params()
    with pytest.raises(TypeError, match="objective"):
        ResidualLoss(lambda outputs: 0.0)._validate_params()
