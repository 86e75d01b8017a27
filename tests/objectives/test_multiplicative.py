"""Identities of the multiplicative loss: methods of Liu et al. 2018, worked by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from skmm.objectives import CrossEntropy, MultiplicativeLoss, OverCandidates
from skmm.objectives.multiplicative import log_complement

P = torch.tensor([0.9, 0.5, 0.2], dtype=torch.float64)  # of the true class
FIRST = torch.tensor([0])


def two_class_logits(p):
    return torch.stack([p.log(), (1 - p).log()], -1)[:, None]


def drawn(seed, candidates=3, rows=5, classes=4, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    shape = candidates, rows, classes
    logits = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator)


@pytest.mark.parametrize(
    ("beta", "true", "other"),
    [
        (0.0, 2.407946, 3.218876),
        (0.5, 1.213483, 1.929087),
        (1.0, 0.622569, 1.171908),
    ],
)
def test_class_losses_of_the_worked_example(beta, true, other):
    loss, logits = MultiplicativeLoss(beta), two_class_logits(P)
    np.testing.assert_allclose(loss.class_losses(logits)[0], [true, other], atol=1e-6)
    assert loss(logits, FIRST).item() == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize(
    ("detach", "slopes"),
    [
        (True, [-0.702728, -0.565685, -1.118034]),
        (False, [-3.482393, -0.992203, -1.282214]),
    ],
)
def test_slopes_of_the_worked_example(detach, slopes):
    p = P.clone().requires_grad_()
    MultiplicativeLoss(1.0, detach=detach)(two_class_logits(p), FIRST).backward()
    np.testing.assert_allclose(p.grad, slopes, atol=1e-6)


@pytest.mark.parametrize(("margin", "expected"), [(0.5, 0.0), (0.6, 0.622569)])
def test_boosting_of_the_worked_example(margin, expected):
    logits = two_class_logits(P).requires_grad_()
    loss = MultiplicativeLoss(1.0, boosted=True, margin=margin)(logits, FIRST)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    (slope,) = torch.autograd.grad(loss, logits)
    assert (slope.abs().max() > 0) == (expected > 0)


SEEDS = st.integers(0, 10_000)
BETAS = st.floats(0, 3)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_without_beta_it_is_the_sum_of_cross_entropies(seed):
    logits, y = drawn(seed)
    expected = sum(functional.cross_entropy(one, y) for one in logits)
    torch.testing.assert_close(MultiplicativeLoss(0.0)(logits, y), expected)
    losses = MultiplicativeLoss(0.0).class_losses(logits)
    means = logits.log_softmax(-1).mean(0)
    assert losses.argmin(1).equal(means.argmax(1))  # geometric mean of probabilities


@settings(max_examples=30, deadline=None)
@given(SEEDS, BETAS, st.booleans())
def test_one_candidate_is_cross_entropy(seed, beta, detach):
    logits, y = drawn(seed, candidates=1)
    expected = CrossEntropy()(logits[0], y)
    torch.testing.assert_close(
        MultiplicativeLoss(beta, detach=detach)(logits, y), expected
    )


@settings(max_examples=30, deadline=None)
@given(SEEDS, BETAS)
def test_gradient_is_a_factor_times_that_of_cross_entropy(seed, beta):
    logits, y = drawn(seed)
    logits.requires_grad_()
    (slope,) = torch.autograd.grad(MultiplicativeLoss(beta)(logits, y), logits)
    p = logits.detach().softmax(-1)
    rest = 1 - p.gather(2, y.expand(3, -1)[..., None])[..., 0]
    for i in range(3):
        q = torch.cat([rest[:i], rest[i + 1 :]]).prod(0) ** (beta / 2)
        plain = (p[i] - functional.one_hot(y, 4)) / len(y)
        torch.testing.assert_close(slope[i], q[:, None] * plain)


@settings(max_examples=30, deadline=None)
@given(SEEDS, BETAS, st.permutations(range(3)), st.booleans(), st.floats(0, 2))
def test_order_of_candidates_does_not_matter(seed, beta, order, boosted, focal):
    logits, y = drawn(seed)
    loss = MultiplicativeLoss(beta, boosted=boosted, focal=focal)
    torch.testing.assert_close(loss(logits[list(order)], y), loss(logits, y))


@settings(max_examples=30, deadline=None)
@given(SEEDS, BETAS, st.integers(0, 2))
def test_it_falls_when_a_candidate_becomes_surer(seed, beta, which):
    logits, y = drawn(seed)
    surer = logits.clone()
    surer[which] += 0.5 * functional.one_hot(y, 4)
    loss = MultiplicativeLoss(beta)
    assert (loss.rows(surer, y) < loss.rows(logits, y)).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, BETAS)
def test_class_losses_agree_with_the_loss_of_each_class(seed, beta):
    logits, _ = drawn(seed)
    loss = MultiplicativeLoss(beta, focal=0.5, candidate_weights=[1.0, 2.0, 0.5])
    for k in range(4):
        target = torch.full((5,), k)
        expected = loss.rows(logits, target)
        torch.testing.assert_close(loss.class_losses(logits)[:, k], expected)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-200, 200), min_size=12, max_size=12),
    st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    st.booleans(),
    st.booleans(),
)
def test_nothing_is_infinite_up_to_200(values, beta, detach, boosted):
    logits = torch.tensor(values).view(3, 2, 2).requires_grad_()
    loss = MultiplicativeLoss(beta, boosted=boosted, detach=detach, focal=0.5)
    value = loss(logits, torch.tensor([0, 1]))
    (slope,) = torch.autograd.grad(value, logits)
    assert value.isfinite() and slope.isfinite().all()
    assert loss.class_losses(logits).isfinite().all()


def test_log_complement_where_p_is_nearly_one():
    logits = torch.tensor([20.0, 0.0])
    rest = log_complement(logits, logits.log_softmax(-1))
    np.testing.assert_allclose(rest, [-20.0, 0.0], atol=1e-6)
    four = torch.tensor([20.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    p = four.softmax(-1).numpy()
    np.testing.assert_allclose(
        log_complement(four, four.log_softmax(-1)), np.log1p(-p), rtol=1e-6
    )


def test_a_sure_candidate_silences_the_others():
    logits = torch.zeros(2, 1, 3)
    logits[0, 0, 0] = 60.0
    logits.requires_grad_()
    MultiplicativeLoss(1.0)(logits, FIRST).backward()
    assert logits.grad[1].abs().max() < 1e-20


def test_boosting_between_its_limits():
    logits, y = drawn(0, rows=40)
    plain = MultiplicativeLoss(0.5)
    endless = MultiplicativeLoss(0.5, boosted=True, margin=np.inf)
    torch.testing.assert_close(endless(logits, y), plain(logits, y))
    right = plain.class_losses(logits).argmin(1) == y
    rows = MultiplicativeLoss(0.5, boosted=True).rows(logits, y)
    assert 0 < right.sum() < 40
    assert not rows[right].any()
    torch.testing.assert_close(rows[~right], plain.rows(logits, y)[~right])


def test_an_absent_candidate_is_as_if_it_did_not_exist():
    logits, y = drawn(1)
    for boosted in (False, True):
        loss = MultiplicativeLoss(0.7, focal=0.3, boosted=boosted)
        available = torch.ones(5, 3, dtype=torch.bool)
        available[2:, 1] = False
        with_absent = logits.clone()
        with_absent[1, 2:] = torch.nan  # never read
        with_absent.requires_grad_()
        outputs = {"logits": with_absent.transpose(0, 1), "available": available}
        rows = loss.rows(outputs, y)
        torch.testing.assert_close(rows[:2], loss.rows(logits, y)[:2])
        torch.testing.assert_close(rows[2:], loss.rows(logits[[0, 2], 2:], y[2:]))
        (slope,) = torch.autograd.grad(rows.sum(), with_absent)
        assert slope.isfinite().all() and not slope[1, 2:].any()


def test_shares_sum_to_one_and_follow_certainty():
    logits, _ = drawn(2)
    shares = MultiplicativeLoss(0.5).shares(logits)
    torch.testing.assert_close(shares.sum(0), torch.ones(5, 4, dtype=torch.float64))
    assert shares.argmax(0).equal(logits.softmax(-1).argmax(0))
    even = MultiplicativeLoss(0.0).shares(logits)
    torch.testing.assert_close(even, torch.full_like(even, 1 / 3))


def test_shares_where_all_factors_are_too_small_for_a_float():
    logits = 1e6 * drawn(2)[0]
    for weights in (None, [1.0, 0.0, 2.0]):
        shares = MultiplicativeLoss(0.5, candidate_weights=weights).shares(logits)
        assert shares.isfinite().all()
        torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))
        assert weights is None or not shares[1].any()


def test_weights_of_candidates_and_rows():
    logits, y = drawn(3)
    alone = MultiplicativeLoss(0.0, candidate_weights=[0.0, 1.0, 0.0])
    torch.testing.assert_close(alone(logits, y), CrossEntropy()(logits[1], y))
    weight = torch.tensor([2.0, 0.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    loss = MultiplicativeLoss()
    expected = (loss.rows(logits, y) * weight).sum() / 5
    torch.testing.assert_close(loss(logits, y, weight), expected)


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (MultiplicativeLoss(beta=-0.1), "beta"),
        (MultiplicativeLoss(beta="much"), "beta"),
        (MultiplicativeLoss(margin=0.5), "margin=0.5 is only used when boosted=True"),
        (MultiplicativeLoss(focal=-1), "focal"),
        (
            MultiplicativeLoss(candidate_weights=[1.0, -1.0]),
            "non-negative numbers, not all",
        ),
        (MultiplicativeLoss(candidate_weights=[0.0, 0.0]), "not all zero"),
        (MultiplicativeLoss(candidate_weights=[1.0, float("nan")]), "finite"),
        (MultiplicativeLoss(candidate_weights=["x"]), "finite"),
    ],
)
def test_bad_parameters(loss, match):
    with pytest.raises(ValueError, match=match):
        loss._validate_params()


def test_bad_shapes():
    logits, y = drawn(0)
    with pytest.raises(ValueError, match="n_candidates, n_samples, n_classes"):
        MultiplicativeLoss()(logits[0], y)
    with pytest.raises(ValueError, match="class numbers"):
        MultiplicativeLoss()(logits, y.double())
    with pytest.raises(ValueError, match="per candidate, 3; got 2"):
        MultiplicativeLoss(candidate_weights=[1, 1])(logits, y)


def test_named_outputs_are_the_tensor_with_samples_first():
    logits, y = drawn(4)
    available = torch.ones(5, 3, dtype=torch.bool)
    named = {"logits": logits.transpose(0, 1), "available": available}
    loss = MultiplicativeLoss(focal=0.2)
    for method in (loss, loss.rows):
        torch.testing.assert_close(method(named, y), method(logits, y))
    for method in (loss.class_losses, loss.shares):
        torch.testing.assert_close(method(named), method(logits))


def test_over_candidates_is_deprecated():
    logits, y = drawn(4)
    flat = logits.transpose(0, 1).flatten(1)
    with pytest.warns(FutureWarning, match=r"0\.3.*reads the outputs 'logits'"):
        loss = OverCandidates(MultiplicativeLoss(boosted=True), 3)
    torch.testing.assert_close(loss.candidates(flat), logits)
    plain = MultiplicativeLoss(boosted=True)
    torch.testing.assert_close(loss(flat, y), plain(logits, y))
    torch.testing.assert_close(loss.validation(flat, y), plain.validation(logits, y))
