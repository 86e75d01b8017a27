import pytest
import torch

from skmm.objectives import CrossEntropy, GatedLoss, HuberError
from skmm.objectives.base import validation_of

LOGITS = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
Y, WEIGHT = torch.tensor([0, 1, 2, 1, 0]), torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0])
GATES = torch.tensor([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.2, 0.8], [0.9, 0.1]])
OPEN = torch.ones(5, 2, dtype=torch.bool)
OUTPUTS = {"logits": LOGITS, "gate": GATES, "open": OPEN}
COSTS = [0.25, 1.0]


class OtherInValidation(CrossEntropy):
    @property
    def validation(self):
        return lambda outputs, target, weight=None: outputs.square().mean()


def test_is_the_loss_of_the_answer_and_its_cost():
    answer = (LOGITS * GATES[..., None]).sum(1)
    cost = (GATES @ torch.tensor(COSTS) * WEIGHT).mean()
    expected = CrossEntropy()(answer, Y, WEIGHT) + 0.3 * cost
    loss = GatedLoss(CrossEntropy(), COSTS, 0.3)
    torch.testing.assert_close(loss(OUTPUTS, Y, WEIGHT), expected)
    torch.testing.assert_close(loss.answer(OUTPUTS), answer)


def test_is_linear_in_the_strength():
    free, dear, more = (
        GatedLoss(CrossEntropy(), COSTS, s)(OUTPUTS, Y) for s in (0.0, 1.0, 3.0)
    )
    torch.testing.assert_close(more - free, 3 * (dear - free))


def test_validation_counts_the_cost_too():
    answer = (LOGITS * GATES[..., None]).sum(1)
    price = 0.3 * (GATES @ torch.tensor(COSTS)).mean()
    for objective in (CrossEntropy(), OtherInValidation()):
        loss = GatedLoss(objective, COSTS, 0.3).validation
        expected = validation_of(objective)(answer, Y) + price
        torch.testing.assert_close(loss(OUTPUTS, Y), expected)


def test_before_the_gate_learns_every_branch_has_its_own_loss():
    outputs = {"logits": LOGITS, "open": OPEN}
    loss = GatedLoss(CrossEntropy(), COSTS, 5.0)
    expected = sum(CrossEntropy()(one, Y, WEIGHT) for one in LOGITS.unbind(1))
    torch.testing.assert_close(loss(outputs, Y, WEIGHT), expected)
    torch.testing.assert_close(loss.answer(outputs), LOGITS.mean(1))


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_closed_branches_have_no_loss_before_the_gate_learns(weight):
    is_open = OPEN.clone()
    is_open[0, 1] = is_open[2, 0] = False
    outputs = {"logits": LOGITS, "open": is_open}
    loss = GatedLoss(CrossEntropy(), COSTS, 5.0)
    weights = torch.ones(5) if weight is None else weight
    expected = sum(
        CrossEntropy()(LOGITS[:, i], Y, weights * is_open[:, i]) for i in (0, 1)
    )
    torch.testing.assert_close(loss(outputs, Y, weight), expected)
    torch.testing.assert_close(loss.answer(outputs)[0], LOGITS[0, 0])


def test_the_objective_is_checked():
    with pytest.raises(ValueError, match="delta"):
        GatedLoss(HuberError(-1.0))._validate_params()
    with pytest.raises(ValueError, match="strength"):
        GatedLoss(CrossEntropy(), COSTS, -1.0)._validate_params()
