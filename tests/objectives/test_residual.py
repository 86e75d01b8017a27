import pytest
import torch

from skmm.objectives import CrossEntropy, HuberError, ResidualLoss, SquaredError

DRAWN = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
TERMS, TARGET = DRAWN[0].unflatten(1, (3, 2)), DRAWN[1, :, :2]
WEIGHT = torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])
ORDERS = [1, 1, 2]


def gradient(loss, weight=None):
    terms = TERMS.clone().requires_grad_()
    loss({"terms": terms}, TARGET, weight).backward()
    return terms.grad


def test_is_the_sum_of_the_losses_up_to_each_order():
    loss, inner = ResidualLoss(SquaredError(), ORDERS), SquaredError()
    first = TERMS[:, 0] + TERMS[:, 1]
    total = first + TERMS[:, 2]
    expected = inner(first, TARGET, WEIGHT) + inner(total, TARGET, WEIGHT)
    torch.testing.assert_close(loss({"terms": TERMS}, TARGET, WEIGHT), expected)


def test_lower_orders_do_not_notice_higher_ones():
    alone = TERMS[:, :2].clone().requires_grad_()
    ResidualLoss(SquaredError(), [1, 1])({"terms": alone}, TARGET, WEIGHT).backward()
    got = gradient(ResidualLoss(SquaredError(), ORDERS), WEIGHT)
    assert torch.equal(got[:, :2], alone.grad)


def test_higher_orders_learn_what_is_left():
    joint = gradient(ResidualLoss(SquaredError(), ORDERS, joint=True))
    got = gradient(ResidualLoss(SquaredError(), ORDERS))
    assert torch.equal(got[:, 2], joint[:, 2])
    assert not torch.allclose(got[:, :2], joint[:, :2])


def test_joint_is_the_loss_of_the_sum():
    total, outputs = TERMS.sum(1), {"terms": TERMS}
    joint = ResidualLoss(SquaredError(), ORDERS, joint=True)
    torch.testing.assert_close(joint(outputs, TARGET), SquaredError()(total, TARGET))
    plain = ResidualLoss(SquaredError(), ORDERS)
    assert plain.validation(outputs, TARGET) == joint(outputs, TARGET)


def test_one_order_is_the_objective():
    y = torch.tensor([0, 1, 0, 1, 0])
    expected = CrossEntropy()(TERMS[:, 0], y, WEIGHT)
    outputs = {"terms": TERMS[:, :1]}
    assert torch.equal(ResidualLoss(CrossEntropy())(outputs, y, WEIGHT), expected)


def test_the_objective_is_checked():
    with pytest.raises(ValueError, match="delta"):
        ResidualLoss(HuberError(-1.0))._validate_params()
    with pytest.raises(TypeError, match="objective"):
        ResidualLoss(lambda outputs: 0.0)._validate_params()
