import pytest
import torch

from skmm.objectives import BlendedLoss, CrossEntropy

SAID = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
Y, WEIGHT = torch.tensor([0, 1, 2, 1, 0]), torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])


def test_is_linear_in_the_weights():
    a, b = BlendedLoss(CrossEntropy(), 2).losses(SAID, Y, WEIGHT)
    blended = BlendedLoss(CrossEntropy(), 2, [0.3, 2.0])(SAID, Y, WEIGHT)
    torch.testing.assert_close(blended, 0.3 * a + 2.0 * b)
    equal = BlendedLoss(CrossEntropy(), 2)(SAID, Y, WEIGHT)
    torch.testing.assert_close(equal, (a + b) / 2)
    torch.testing.assert_close(b, CrossEntropy()(SAID[:, 3:], Y, WEIGHT))


def test_a_head_of_weight_zero_is_not_looked_at():
    said = SAID.clone().requires_grad_()
    BlendedLoss(CrossEntropy(), 2, [0.0, 1.0])(said, Y).backward()
    assert not said.grad[:, :3].any()
    assert said.grad[:, 3:].any()


def test_validation_is_the_last_head():
    loss = BlendedLoss(CrossEntropy(), 2, [0.9, 0.1]).validation
    torch.testing.assert_close(loss(SAID, Y), CrossEntropy()(SAID[:, 3:], Y))


def test_rows_that_a_head_cannot_answer_do_not_count():
    said = SAID.clone()
    gone, there = [1, 2], [0, 3, 4]  # weights of those that are there differ
    said[gone, :3] = -torch.inf
    first, second = BlendedLoss(CrossEntropy(), 2).losses(said, Y, WEIGHT)
    expected = CrossEntropy()(SAID[there, :3], Y[there], WEIGHT[there])
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, CrossEntropy()(SAID[:, 3:], Y, WEIGHT))
    said = said.requires_grad_()
    loss = BlendedLoss(CrossEntropy(), 2, [1.0, 0.0])(said[gone], Y[gone])
    loss.backward()
    assert loss == 0
    assert not said.grad.any()


def test_one_weight_per_head():
    with pytest.raises(ValueError, match="one per head, 2"):
        BlendedLoss(CrossEntropy(), 2, [1.0])._validate_params()
