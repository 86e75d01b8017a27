import math

import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError
from torch.nn import functional

from skmm.objectives import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HuberError,
    Objective,
    SquaredError,
    supervised,
)

N, K = 7, 3


def outputs_and(kind):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(N, K, generator=generator, dtype=torch.float64)
    target = torch.randn(N, K, generator=generator, dtype=torch.float64)
    targets = {
        "class": target.argmax(1),
        "binary": (target > 0).double(),
        "value": target,
    }
    return outputs.requires_grad_(), targets[kind]


TABLE = {  # objective: kind of target, torch's own
    CrossEntropy: ("class", functional.cross_entropy),
    BinaryCrossEntropy: ("binary", functional.binary_cross_entropy_with_logits),
    SquaredError: ("value", functional.mse_loss),
    AbsoluteError: ("value", functional.l1_loss),
    HuberError: ("value", functional.huber_loss),
}
every = pytest.mark.parametrize("cls", TABLE, ids=lambda cls: cls.__name__)


def test_the_table_is_complete():
    assert {cls.__name__ for cls in TABLE} == set(supervised.__all__)


@every
def test_is_the_mean_that_torch_computes(cls):
    kind, reference = TABLE[cls]
    outputs, target = outputs_and(kind)
    torch.testing.assert_close(cls()(outputs, target), reference(outputs, target))


@every
def test_is_the_mean_over_the_rows(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    losses = cls().rows(outputs, target)
    assert losses.shape == (N,)
    torch.testing.assert_close(cls()(outputs, target), losses.mean())
    singles = [cls()(outputs[[i]], target[[i]]) for i in range(N)]
    torch.testing.assert_close(torch.stack(singles), losses)


@every
def test_unit_weights_change_nothing(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    weighted = cls()(outputs, target, torch.ones(N, dtype=torch.float64))
    torch.testing.assert_close(weighted, cls()(outputs, target))


@every
def test_a_weight_counts_a_row_so_often(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    weight = torch.tensor([2.0, 0, 1, 1, 1, 1, 1], dtype=torch.float64)
    again = torch.tensor([0, 0, 2, 3, 4, 5, 6])
    weighted = cls()(outputs, target, weight)
    torch.testing.assert_close(weighted, cls()(outputs[again], target[again]))


@every
def test_repeating_all_rows_changes_nothing(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    doubled = cls()(outputs.repeat(2, 1), target.repeat(*[2] + [1] * (target.ndim - 1)))
    torch.testing.assert_close(doubled, cls()(outputs, target))


@every
def test_gradients(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    weight = torch.rand(N, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: cls()(z, target, weight), [outputs])


@every
def test_the_best_outputs_have_the_least_loss(cls):
    kind = TABLE[cls][0]
    outputs, target = outputs_and(kind)
    best = {
        "class": functional.one_hot(torch.arange(N) % K, K).double(),
        "value": target,
        "binary": target * 2 - 1,
    }[kind]
    if kind == "class":
        best = functional.one_hot(target, K).double()
    best = best if kind == "value" else 50 * best
    assert cls()(best, target) < 1e-9 < cls()(outputs, target)


@every
def test_extreme_outputs_stay_finite(cls):
    outputs, target = outputs_and(TABLE[cls][0])
    big = (outputs.detach() * 1e4).requires_grad_()
    loss = cls()(big, target)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(big.grad).all()


@pytest.mark.parametrize(
    "cls", [c for c, (kind, _) in TABLE.items() if kind != "class"]
)
@pytest.mark.parametrize("shape", [(N,), (N, 1), (1, K)])
def test_a_target_of_another_shape_does_not_broadcast(cls, shape):
    outputs = torch.zeros(N, K)
    with pytest.raises(ValueError, match=rf"{cls.__name__} needs .*\(7, 3\); got"):
        cls()(outputs, torch.zeros(shape))


@pytest.mark.parametrize("target", [torch.zeros(N, K), torch.zeros(N, 1).long()])
def test_cross_entropy_wants_class_numbers(target):
    with pytest.raises(ValueError, match="CrossEntropy needs class numbers"):
        CrossEntropy()(torch.zeros(N, K), target)


def test_uniform_logits_have_entropy_log_k():
    loss = CrossEntropy()(torch.zeros(N, K), torch.zeros(N).long())
    assert loss.item() == pytest.approx(math.log(K))


def test_two_logits_are_one_binary_logit():
    logits = torch.randn(N, 1).double()
    target = (torch.randn(N) > 0).long()
    both = torch.cat([torch.zeros_like(logits), logits], 1)
    binary = BinaryCrossEntropy()(logits, target[:, None].double())
    torch.testing.assert_close(CrossEntropy()(both, target), binary)


def test_label_smoothing_mixes_in_all_classes():
    outputs, target = outputs_and("class")
    spread = torch.stack(
        [CrossEntropy()(outputs, torch.full((N,), k)) for k in range(K)]
    )
    mixed = 0.7 * CrossEntropy()(outputs, target) + 0.3 * spread.mean()
    torch.testing.assert_close(CrossEntropy(0.3)(outputs, target), mixed)


def test_huber_joins_both_errors():
    outputs, target = outputs_and("value")
    large = HuberError(1e6)(outputs, target)
    torch.testing.assert_close(large, SquaredError()(outputs, target) / 2)
    small = HuberError(1e-9)(outputs, target) / 1e-9
    torch.testing.assert_close(small, AbsoluteError()(outputs, target))


@pytest.mark.parametrize("bad", [HuberError(0), HuberError(-1), CrossEntropy(1.0)])
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError):
        bad._validate_params()


def test_the_base_says_what_to_define():
    with pytest.raises(TypeError, match="must define rows"):
        Objective()(torch.zeros(2, 2), torch.zeros(2, 2))
