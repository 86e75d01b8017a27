"""Targets of which only some entries are observed."""

import pytest
import torch

from skmm.objectives import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HuberError,
    MultiplicativeLoss,
    Objective,
    ReconstructionLoss,
    SquaredError,
)

GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(6, 4, generator=GENERATOR)
VALUES = torch.rand(6, 4, generator=GENERATOR)
WEIGHT = torch.tensor([2.0, 0.5, 1.0, 0.0, 1.5, 1.0])
OBSERVED = torch.rand(6, 4, generator=GENERATOR) > 0.4
OBSERVED[2] = False
OBJECTIVES = [
    AbsoluteError(),
    BinaryCrossEntropy(),
    HuberError(0.3),
    SquaredError(),
    ReconstructionLoss(),
    ReconstructionLoss("rmse"),
    ReconstructionLoss("bce", [(4, "sigmoid")]),
]
every_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
weighted = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])


def masked(values, observed):
    return {"values": values, "observed": observed}


@every_objective
@weighted
def test_all_observed_is_the_plain_target(objective, weight):
    everything = masked(VALUES, torch.ones_like(OBSERVED))
    plain = objective(OUTPUTS, VALUES, weight)
    torch.testing.assert_close(objective(OUTPUTS, everything, weight), plain)
    rows = masked(VALUES, torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(objective(OUTPUTS, rows, weight), plain)


@every_objective
def test_a_masked_entry_is_absent(objective):
    for row in range(6):
        there = OBSERVED[row]
        if isinstance(objective, ReconstructionLoss) and objective.parts:
            alone = ReconstructionLoss("bce", [(int(there.sum()), "sigmoid")])
        else:
            alone = objective
        target = masked(VALUES[[row]], OBSERVED[[row]])
        loss = objective(OUTPUTS[[row]], target)
        if there.any():
            expected = alone(OUTPUTS[[row]][:, there], VALUES[[row]][:, there])
            torch.testing.assert_close(loss, expected)


@every_objective
@weighted
def test_what_is_not_observed_has_no_influence_and_no_gradient(objective, weight):
    wild = VALUES.masked_fill(~OBSERVED, torch.nan)
    outputs = OUTPUTS.clone().requires_grad_()
    loss = objective(outputs, masked(wild, OBSERVED), weight)
    loss.backward()
    torch.testing.assert_close(
        loss.detach(), objective(OUTPUTS, masked(VALUES, OBSERVED), weight)
    )
    assert not outputs.grad[~OBSERVED].any()
    counts = OBSERVED if weight is None else OBSERVED & (weight > 0)[:, None]
    assert outputs.grad[counts].all()


@every_objective
@weighted
def test_a_sample_without_observations_does_not_count(objective, weight):
    kept = [0, 1, 3, 4, 5]
    part = None if weight is None else weight[kept]
    torch.testing.assert_close(
        objective(OUTPUTS, masked(VALUES, OBSERVED), weight),
        objective(OUTPUTS[kept], masked(VALUES[kept], OBSERVED[kept]), part),
    )


@every_objective
def test_nothing_observed_costs_nothing(objective):
    outputs = OUTPUTS.clone().requires_grad_()
    loss = objective(outputs, masked(VALUES, torch.zeros_like(OBSERVED)))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    assert not outputs.grad.any()


LABELS = torch.tensor([0, 1, -1, 3, -1, 2])
KNOWN = LABELS >= 0


@weighted
@pytest.mark.parametrize("objective", [CrossEntropy(0.1), MultiplicativeLoss()])
def test_samples_without_a_label_are_left_out(objective, weight):
    outputs, some = OUTPUTS, OUTPUTS[KNOWN]
    if isinstance(objective, MultiplicativeLoss):
        outputs, some = OUTPUTS.expand(2, -1, -1), some.expand(2, -1, -1)
    part = None if weight is None else weight[KNOWN]
    torch.testing.assert_close(
        objective(outputs, masked(LABELS, KNOWN), weight),
        objective(some, LABELS[KNOWN], part),
    )


def test_targets_by_name_are_masked_one_by_one():
    loss = ReconstructionLoss("mse", {"a": None, "b": "sigmoid"})
    outputs = {"a": OUTPUTS, "b": OUTPUTS[:, :2]}
    plain = {"a": VALUES, "b": VALUES[:, 2:]}
    everything = masked(VALUES, torch.ones_like(OBSERVED))
    torch.testing.assert_close(
        loss(outputs, {**plain, "a": everything}), loss(outputs, plain)
    )
    only_b = loss(outputs, {**plain, "a": masked(VALUES, OBSERVED & False)})
    alone = ReconstructionLoss("mse", [(2, "sigmoid")])
    torch.testing.assert_close(only_b, alone(outputs["b"], plain["b"]))
    rows = {name: masked(plain[name], OBSERVED[:, 0]) for name in plain}
    some = OBSERVED[:, 0]
    torch.testing.assert_close(
        loss(outputs, rows),
        loss(*({n: t[some] for n, t in part.items()} for part in (outputs, plain))),
    )


def test_columns_of_several_targets_are_masked():
    loss = ReconstructionLoss("mse", [(3, None), (1, "relu")])
    named = ReconstructionLoss("mse", {"a": None, "b": "relu"})
    target = {
        "a": masked(VALUES[:, :3], OBSERVED[:, :3]),
        "b": masked(VALUES[:, 3:], OBSERVED[:, 3:]),
    }
    outputs = {"a": OUTPUTS[:, :3], "b": OUTPUTS[:, 3:]}
    torch.testing.assert_close(
        loss(OUTPUTS, masked(VALUES, OBSERVED)), named(outputs, target)
    )


def test_a_mask_of_another_shape_is_rejected():
    with pytest.raises(ValueError, match=r"mask of the target .*\(6, 4\) or \(6,\)"):
        SquaredError()(OUTPUTS, masked(VALUES, OBSERVED[:, :2]))


def test_an_objective_of_rows_cannot_read_masked_entries():
    class Own(Objective):
        def rows(self, outputs, target):
            return (outputs - target).square().sum(1)

    loss = Own()
    assert loss.by_rows and loss.additive
    with pytest.raises(ValueError, match="masked by entry"):
        loss(OUTPUTS, masked(VALUES, OBSERVED))
    some = OBSERVED[:, 0]
    torch.testing.assert_close(
        loss(OUTPUTS, masked(VALUES, some)), loss(OUTPUTS[some], VALUES[some])
    )


def test_an_objective_that_defines_only_the_call_is_not_made_of_rows():
    class Own(Objective):
        def __call__(self, outputs, target, weight=None):
            return outputs.std()

    class Child(Own):
        pass

    class Said(Own):
        by_rows = True

    assert not Own.by_rows and not Own.additive and not Child.by_rows
    assert Said.by_rows


def test_rows_and_additivity_are_told_apart():
    class NotByRows(Objective):
        by_rows = False

        def __call__(self, outputs, target, weight=None):
            return outputs.std()

    class Additive(NotByRows):
        additive = True

    class AdditiveCall(Objective):
        additive = True

        def __call__(self, outputs, target, weight=None):
            return outputs.mean()

    assert not NotByRows.additive and not NotByRows.by_rows
    assert Additive.additive and not Additive.by_rows
    assert AdditiveCall.additive and not AdditiveCall.by_rows


@every_objective
@weighted
@pytest.mark.parametrize("observed", [OBSERVED, OBSERVED[:, 0]], ids=["entry", "row"])
def test_nan_outputs_that_are_not_observed_have_no_gradient(
    objective, weight, observed
):
    hidden = ~observed if observed.ndim == 2 else ~observed[:, None].expand(6, 4)
    outputs = OUTPUTS.masked_fill(hidden, torch.nan).requires_grad_()
    target = masked(VALUES.masked_fill(hidden, torch.nan), observed)
    loss = objective(outputs, target, weight)
    loss.backward()
    torch.testing.assert_close(
        loss.detach(), objective(OUTPUTS, masked(VALUES, observed), weight)
    )
    assert torch.isfinite(outputs.grad).all() and not outputs.grad[hidden].any()


@weighted
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("objective", [CrossEntropy(0.1), MultiplicativeLoss()])
def test_nan_outputs_of_samples_without_a_label_have_no_gradient(
    objective, named, weight
):
    hidden = (~KNOWN)[:, None]
    outputs = given = OUTPUTS.masked_fill(hidden, torch.nan).requires_grad_()
    finite = OUTPUTS
    if isinstance(objective, MultiplicativeLoss):
        given, finite = outputs.expand(6, -1, -1), finite.expand(6, -1, -1)
        if named:  # the other way round than columns: as many candidates as samples
            there = torch.ones(6, 6, dtype=torch.bool)
            given = {"logits": given.transpose(0, 1), "available": there}
    loss = objective(given, masked(LABELS, KNOWN), weight)
    loss.backward()
    expected = objective(finite, masked(LABELS, KNOWN), weight)
    torch.testing.assert_close(loss.detach(), expected)
    assert torch.isfinite(outputs.grad).all() and not outputs.grad[~KNOWN].any()


BAD_MASKS = [
    {"values": VALUES, "observed": OBSERVED.float()},
    {"values": VALUES, "observed": OBSERVED.numpy()},
    {"values": VALUES, "observed": OBSERVED[:, :2]},
    {"values": VALUES, "observed": OBSERVED[:4, 0]},
    {"values": VALUES, "observed": OBSERVED[:, :1]},
    {"values": VALUES, "mask": OBSERVED},
    {"values": {"a": VALUES}, "observed": OBSERVED[:, 0]},
    {"values": VALUES},
]


@every_objective
@pytest.mark.parametrize("target", BAD_MASKS)
def test_other_forms_of_a_masked_target_are_refused(objective, target):
    words = "(?s)mask.* bool.*must have the shape .*|mask of the target must have the"
    with pytest.raises(ValueError, match=words):
        objective(OUTPUTS, target)


@pytest.mark.parametrize("objective", [CrossEntropy(), MultiplicativeLoss()])
@pytest.mark.parametrize(
    "target",
    [
        masked(LABELS, KNOWN.float()),
        masked(LABELS, KNOWN[:3]),
        masked(LABELS, KNOWN[:, None]),
        {"labels": LABELS, "observed": KNOWN},
    ],
)
def test_other_forms_of_masked_labels_are_refused(objective, target):
    outputs = OUTPUTS
    if isinstance(objective, MultiplicativeLoss):
        outputs = OUTPUTS.expand(2, -1, -1)
    with pytest.raises(ValueError, match="mask"):
        objective(outputs, target)


def test_targets_may_have_the_names_of_a_mask():
    loss = ReconstructionLoss("mse", {"values": None, "observed": None})
    outputs = {"values": OUTPUTS, "observed": OUTPUTS}
    plain = ReconstructionLoss()(OUTPUTS, VALUES)
    found = loss(outputs, {"values": VALUES, "observed": VALUES})
    torch.testing.assert_close(found, plain)


def test_targets_of_other_names_are_refused():
    loss = ReconstructionLoss("mse", {"a": None})
    with pytest.raises(ValueError, match=r"targets \['a'\].*got \['b'\]"):
        loss({"a": OUTPUTS}, {"b": VALUES})


@weighted
def test_a_sample_with_one_observed_target_counts(weight):
    loss = ReconstructionLoss("mse", {"a": None, "b": None})
    first = torch.tensor([True] * 3 + [False] * 3)
    outputs = {"a": OUTPUTS, "b": 2 * OUTPUTS}
    target = {"a": masked(VALUES, first), "b": masked(VALUES, ~first)}
    one_each = torch.where(first[:, None], OUTPUTS, 2 * OUTPUTS)
    torch.testing.assert_close(
        loss(outputs, target, weight), ReconstructionLoss()(one_each, VALUES, weight)
    )
    some = {"a": VALUES, "b": masked(VALUES, first)}  # of a everything is observed
    torch.testing.assert_close(
        loss(outputs, some, weight),
        loss(outputs, {**some, "a": masked(VALUES, first | True)}, weight),
    )
