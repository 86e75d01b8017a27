import pytest
import torch

from skmm.objectives import BlendedLoss, CrossEntropy

LOGITS = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
ALL = torch.ones(5, 2, dtype=torch.bool)
OUTPUTS = {"logits": LOGITS, "available": ALL}
Y, WEIGHT = torch.tensor([0, 1, 2, 1, 0]), torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])


def test_is_linear_in_the_weights():
    a, b = BlendedLoss(CrossEntropy(), 2).losses(OUTPUTS, Y, WEIGHT)
    blended = BlendedLoss(CrossEntropy(), 2, [0.3, 2.0])(OUTPUTS, Y, WEIGHT)
    torch.testing.assert_close(blended, 0.3 * a + 2.0 * b)
    equal = BlendedLoss(CrossEntropy(), 2)(OUTPUTS, Y, WEIGHT)
    torch.testing.assert_close(equal, (a + b) / 2)
    torch.testing.assert_close(b, CrossEntropy()(LOGITS[:, 1], Y, WEIGHT))


def test_a_head_of_weight_zero_is_not_looked_at():
    logits = LOGITS.clone().requires_grad_()
    outputs = {"logits": logits, "available": ALL}
    BlendedLoss(CrossEntropy(), 2, [0.0, 1.0])(outputs, Y).backward()
    assert not logits.grad[:, 0].any()
    assert logits.grad[:, 1].any()


def test_validation_is_the_last_head():
    loss = BlendedLoss(CrossEntropy(), 2, [0.9, 0.1]).validation
    torch.testing.assert_close(loss(OUTPUTS, Y), CrossEntropy()(LOGITS[:, 1], Y))


def test_samples_for_which_a_head_is_not_available_do_not_count():
    gone, there = [1, 2], [0, 3, 4]  # weights of those that are there differ
    available, logits = ALL.clone(), LOGITS.clone()
    available[gone, 0] = False
    logits[gone, 0] = torch.nan
    outputs = {"logits": logits, "available": available}
    first, second = BlendedLoss(CrossEntropy(), 2).losses(outputs, Y, WEIGHT)
    weight = WEIGHT[there] * WEIGHT.mean() / WEIGHT[there].mean()
    expected = CrossEntropy()(LOGITS[there, 0], Y[there], weight)
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, CrossEntropy()(LOGITS[:, 1], Y, WEIGHT))


def test_weights_of_samples_without_the_modality_do_not_change_a_head():
    """The loss of a head is the weighted mean over the samples that have it."""
    available = torch.tensor([1, 1, 1, 0, 0], dtype=torch.bool)
    outputs = {"logits": LOGITS, "available": torch.stack([available, ALL[:, 0]], 1)}
    weight = torch.tensor([1.0, 2.0, 3.0, 50.0, 70.0])
    weight = weight / weight.mean()
    head, _ = BlendedLoss(CrossEntropy(), 2).losses(outputs, Y, weight)
    rows = CrossEntropy().rows(LOGITS[:3, 0], Y[:3])
    expected = (rows * weight[:3]).sum() / weight[:3].sum()
    torch.testing.assert_close(head, expected)
    none = torch.tensor([0.0, 0.0, 0.0, 2.5, 2.5])
    head, _ = BlendedLoss(CrossEntropy(), 2).losses(outputs, Y, none)
    assert head == 0


def test_a_head_that_is_available_for_no_sample_has_no_loss():
    logits = LOGITS.clone().requires_grad_()
    outputs = {"logits": logits, "available": ALL & torch.tensor([False, True])}
    loss = BlendedLoss(CrossEntropy(), 2, [1.0, 0.0])(outputs, Y)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_one_weight_per_head():
    with pytest.raises(ValueError, match="one entry per head, 2"):
        BlendedLoss(CrossEntropy(), 2, [1.0])._validate_params()
