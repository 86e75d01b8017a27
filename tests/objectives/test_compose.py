import pytest
import torch
from sklearn import clone

from skmm.objectives import (
    AbsoluteError,
    HuberError,
    MultiplicativeLoss,
    SquaredError,
    WeightedSum,
)

OUTPUTS, TARGET = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])


def test_is_linear_in_its_factors():
    both = WeightedSum([(SquaredError(), 2.0), (AbsoluteError(), -0.5)])
    terms = [cls()(OUTPUTS, TARGET, WEIGHT) for cls in (SquaredError, AbsoluteError)]
    torch.testing.assert_close(
        both(OUTPUTS, TARGET, WEIGHT), 2 * terms[0] - terms[1] / 2
    )


def test_one_term_of_factor_one_is_that_term():
    alone = WeightedSum([("squared_error", 1.0)])
    assert torch.equal(alone(OUTPUTS, TARGET), SquaredError()(OUTPUTS, TARGET))


def test_sums_nest():
    inner = WeightedSum([("squared_error", 1.0), ("huber_error", 1.0)])
    nested = WeightedSum([(inner, 0.5), ("huber_error", 0.5)])
    flat = WeightedSum([("squared_error", 0.5), ("huber_error", 1.0)])
    torch.testing.assert_close(nested(OUTPUTS, TARGET), flat(OUTPUTS, TARGET))


def test_clones():
    both = WeightedSum([(SquaredError(), 2.0)])
    assert clone(both)(OUTPUTS, TARGET) == both(OUTPUTS, TARGET)


def test_terms_are_checked():
    with pytest.raises(ValueError, match=r"objective must be one of .* got 'mse'"):
        WeightedSum([("mse", 1.0)])._validate_params()
    with pytest.raises(ValueError, match="delta"):
        WeightedSum([(HuberError(-1.0), 1.0)])._validate_params()
    with pytest.raises(ValueError, match="objectives"):
        WeightedSum("squared_error")._validate_params()


def test_validation_is_that_of_the_terms():
    boosted = MultiplicativeLoss(boosted=True, margin=0.1)
    both = WeightedSum([(boosted, 2.0), ("multiplicative_loss", 0.5)])
    logits = 3 * torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 0, 1])
    logits[:, 0, 0] += 5  # this sample is learnt
    plain = MultiplicativeLoss()(logits, y)
    assert both(logits, y) < 2.5 * plain
    torch.testing.assert_close(both.validation(logits, y), 2.5 * plain)
    assert both.validation.reads == both.reads
