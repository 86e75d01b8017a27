"""AttentionFusion; what is true of all fusions is tested in test_basic."""

import pickle

import numpy as np
import pytest
import torch
from sklearn import clone

from skmm import FusionClassifier
from skmm.nn import AttentionFusion, MeanFusion, MLPEncoder
from tests.nn.fusion.variants import NAMES, Attentive, built, embeddings, masks
from tests.toys import two_tables, with_holes


def test_scores_of_zero_are_the_mean():
    for present in (None, masks()):
        expected = built(MeanFusion)(embeddings(), present)
        torch.testing.assert_close(
            built(AttentionFusion)(embeddings(), present), expected
        )
    assert (built(AttentionFusion).weights(embeddings()) == 1 / 3).all()


def test_is_its_formula():
    block, parts = built(Attentive), embeddings()
    scores = torch.stack(
        [parts[n] @ block.scores[n].weight[0] + block.scores[n].bias[0] for n in NAMES]
    )
    weights = scores.exp() / scores.exp().sum(0)
    expected = sum(w[:, None] * parts[n] for w, n in zip(weights, NAMES, strict=True))
    torch.testing.assert_close(block(parts), expected)
    torch.testing.assert_close(block.weights(parts), weights.T)
    assert block.weights(parts).std(0).min() > 0.01  # each row has its own


@pytest.mark.parametrize("present", [None, masks()], ids=["complete", "missing"])
def test_weights_sum_to_one_over_present_modalities(present):
    weights = built(Attentive).weights(embeddings(), present)
    torch.testing.assert_close(weights.sum(1), torch.ones(6).double())
    assert (weights >= 0).all() and not weights.requires_grad
    if present is not None:
        assert (weights[~present] == 0).all() and (weights[present] > 0).all()


def test_a_single_present_modality_has_weight_one():
    parts, present = embeddings(), masks()
    alone = present.sum(1) == 1
    fused = built(Attentive)(parts, present)
    stacked = torch.stack([parts[n] for n in NAMES], 1)
    torch.testing.assert_close(fused[alone], stacked[present & alone[:, None]])
    assert (
        built(Attentive).weights(parts, present)[present & alone[:, None]] == 1
    ).all()


def test_weights_are_zero_without_modalities():
    nothing = torch.zeros(6, 3, dtype=torch.bool)
    block = built(Attentive)
    assert (block.weights(embeddings(), nothing) == 0).all()
    assert (block(embeddings(), nothing) == 0).all()


def test_a_common_shift_of_the_scores_changes_nothing():
    block, parts = built(Attentive), embeddings()
    before = block(parts)
    for _, score in block.scores.items():
        score.bias.data += 3.0
    torch.testing.assert_close(block(parts), before)


def test_a_large_score_selects():
    block, parts = built(AttentionFusion), embeddings()
    block.scores["table"].bias.data.fill_(1e4)
    torch.testing.assert_close(block(parts), parts["table"])


def test_nothing_is_kept_of_a_pass():
    block, parts = built(Attentive), embeddings()
    before = pickle.dumps(block)
    block(parts), block.weights(parts, masks())
    assert pickle.dumps(block) == before


def test_in_an_estimator():
    X, y = two_tables(60)
    X = with_holes(X)
    model = FusionClassifier(
        MLPEncoder((6,)), fusion="attention", max_epochs=5, lr=0.01, random_state=0
    ).fit(X, y)
    parts = {n: torch.from_numpy(e) for n, e in model.embed(X).items()}
    present = torch.from_numpy(np.column_stack(list(X.present.values())))
    module = model.net_.module_
    weights = module.fusion.weights(parts, present)
    assert weights.shape == (60, 2) and weights[present].std() > 1e-4
    stacked = torch.stack([parts[n] for n in X], 1)
    expected = (stacked * weights[..., None]).sum(1).numpy()
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-6)


def test_learns_which_modality_is_informative():
    """Which modality is right stands in the row itself."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    right = rng.integers(0, 2, 600).astype(bool)
    signs = np.where([right, ~right], 2 * y - 1, rng.choice([-1, 1], 600))
    a, b = (
        np.column_stack([s, t]) for s, t in zip(signs, [right, ~right], strict=True)
    )
    model = FusionClassifier(MLPEncoder((16,)), max_epochs=40, lr=0.01, random_state=0)
    X = {"a": a.astype(float), "b": b.astype(float)}
    model = clone(model).set_params(fusion=AttentionFusion()).fit(X, y)
    assert model.score(X, y) > 0.95
