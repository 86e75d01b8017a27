"""Projections on additive functions: worked examples, identities, limits."""

from itertools import product

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import (
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    LateFusionClassifier,
    ModalityDict,
    MulMixClassifier,
    ResidualFusionClassifier,
    restrict,
)
from skmm.inspection import emap, interaction_decomposition, interactions
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables, with_holes

X, Y = two_tables(40, classes=3)
NET = FusionClassifier(max_epochs=3, lr=0.01, random_state=0)
CUBE = np.array(list(product([-1.0, 1.0], repeat=3)))


class Says(RegressorMixin, BaseEstimator):
    """Predicts a function of the first feature of each modality."""

    def __init__(self, function):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return self.function(*(leaf[:, 0] for leaf in X.values()))


class Decides(ClassifierMixin, Says):
    """Predicts classes by the sign of that function."""

    def fit(self, X, y=None):
        self.classes_ = np.array(["no", "yes"])
        return self

    def decision_function(self, X):
        return super().predict(X)

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def cube(values):
    return ModalityDict({name: values[:, [i]] for i, name in enumerate("tva")})


def says(function, X):
    return Says(function).fit(X)


def test_worked_matrix():
    """Three samples: the projected diagonal."""
    table = np.array([[-1.3, 0.3, -0.2], [0.8, 3.0, 1.1], [1.1, -0.1, 0.7]])
    rows = ModalityDict(t=np.arange(3.0)[:, None], v=np.arange(3.0)[:, None])
    model = says(lambda t, v: table[t.astype(int), v.astype(int)], rows)
    found = emap(model, rows)
    np.testing.assert_allclose(found.original_logits, [-1.3, 3.0, 0.7])
    np.testing.assert_allclose(found.logits, [-0.8, 2.1, 0.5])
    assert np.isnan(found.score)
    means = table.mean(1)[:, None] + table.mean(0) - table.mean()
    left = ((table - means) ** 2).sum() / ((table - table.mean()) ** 2).sum()
    assert found.interaction_share == pytest.approx(left)


@pytest.mark.parametrize(
    ("function", "orders"),
    [
        (lambda t, v, a: t + v + a, [3, 0, 0]),
        (lambda t, v, a: t * v + t * a + v * a, [0, 3, 0]),
        (lambda t, v, a: t * v * a, [0, 0, 1]),
        (lambda t, v, a: (t > 0) * (v > 0) * (a > 0), [0.5, 0.375, 0.125]),
    ],
)
def test_worked_cube(function, orders):
    rows = cube(CUBE)
    found = interaction_decomposition(says(function, rows), rows)
    np.testing.assert_allclose(found.orders[:, -1], orders, atol=1e-12)
    np.testing.assert_allclose(found.orders.sum(0), function(*CUBE.T), atol=1e-12)
    assert found.table["order"].tolist() == [1, 1, 1, 2, 2, 2, 3]


def test_sum_of_parts_is_the_model_and_means_are_zero():
    rng = np.random.default_rng(0)
    rows = cube(rng.normal(size=(9, 3)))
    model = says(lambda t, v, a: np.sin(t * v + a) + v**2 * a, rows)
    found = interaction_decomposition(model, rows)
    np.testing.assert_allclose(sum(found.parts.values()), model.predict(rows))
    for name in "tva":
        assert found.parts[(name,)].mean() == pytest.approx(0, abs=1e-12)


def test_two_modalities_project_onto_their_first_order():
    model = clone(NET).fit(X, Y)
    found, orders = emap(model, X, Y), interaction_decomposition(model, X).orders
    np.testing.assert_allclose(found.logits, orders[0])
    np.testing.assert_allclose(found.original_logits, orders.sum(0))
    np.testing.assert_allclose(
        found.original_logits, model.decision_function(X), atol=1e-5
    )
    assert found.score == pytest.approx(model.score(X, Y))


def test_row_loop():
    """The definition, pair by pair."""
    model, n = clone(NET).fit(X, Y), 12
    rows = X[:n]
    logits = np.empty((n, n, 3))
    for i, j in product(range(n), repeat=2):
        pair = ModalityDict(a=rows["a"][[i]], b=rows["b"][[j]])
        logits[i, j] = model.decision_function(pair)[0]
    expected = logits.mean(0) + logits.mean(1) - logits.mean((0, 1))
    np.testing.assert_allclose(emap(model, rows).logits, expected, atol=1e-5)


def test_additive_models_are_fixed_points_and_projections_stay():
    model = Added(NET).fit(X, Y)
    found = emap(model, X, Y)
    np.testing.assert_allclose(found.logits, found.original_logits, atol=1e-5)
    assert found.interaction_share < 1e-5 and found.score == found.projected_score


class Added(ClassifierMixin, BaseEstimator):
    """Adds the logits of one model per modality: no interaction."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        self.models_ = [restrict(self.model, [name]).fit(X, y) for name in X]
        self.classes_ = self.models_[0].classes_
        return self

    def decision_function(self, X):
        return sum(model.decision_function(X) for model in self.models_)

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(1)]


def test_a_product_of_centred_values_projects_to_nothing():
    rows = cube(CUBE).select(["t", "v"])
    model = Decides(lambda t, v: t * v).fit(rows)
    y = np.where(CUBE[:, 0] * CUBE[:, 1] > 0, "yes", "no")
    found = emap(model, rows, y)
    np.testing.assert_allclose(found.logits, 0, atol=1e-12)
    assert (found.score, found.projected_score) == (1.0, 0.5)
    assert found.interaction_share == pytest.approx(1)


def test_constant_models_have_no_interactions():
    rows = cube(CUBE)
    model = says(lambda t, v, a: np.full(len(t), 3.0), rows)
    assert emap(model, rows).interaction_share == 0


def test_shares_do_not_depend_on_a_constant_of_all_logits():
    class Shifted(Added):
        def decision_function(self, X):
            shift = (X["a"][:, 0] * X["b"][:, 0])[:, None]
            return super().decision_function(X) + shift

    assert emap(Shifted(NET).fit(X, Y), X).interaction_share < 1e-5


@pytest.mark.parametrize("block", [1, 7, 10**6])
@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_blocks_change_nothing(block, names, monkeypatch):
    rows = X.assign(c=X["a"][:, :1] * 2).select(names)[:10]
    model = clone(NET).fit(rows, Y[:10])
    whole = interaction_decomposition(model, rows)
    monkeypatch.setattr(interactions, "BLOCK", block)
    found = interaction_decomposition(model, rows)
    np.testing.assert_allclose(found.orders, whole.orders, atol=1e-5)
    assert found.interaction_share == pytest.approx(whole.interaction_share, abs=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        NET,
        MulMixClassifier(max_epochs=2, random_state=0),
        ResidualFusionClassifier(max_epochs=2, random_state=0),
        GradientBlendingClassifier(super_epoch=1, max_epochs=2, random_state=0),
        make_pipeline(ModalityTransformer({"a": StandardScaler()}), NET),
        LateFusionClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_encoding_once_changes_nothing(model, monkeypatch):
    rows = with_holes(X, share=0.2)
    model = clone(model).fit(rows, Y)
    quick = emap(model, rows[:15], Y[:15])
    as_given = "skmm.inspection.interactions.with_embeddings"
    monkeypatch.setattr(as_given, lambda model, X: (model, X))
    slow = emap(model, rows[:15], Y[:15])
    np.testing.assert_allclose(quick.logits, slow.logits, rtol=0, atol=1e-6)
    assert quick.score == slow.score


def test_regressors_have_r2():
    y = X["a"][:, 0] * X["b"][:, 0]
    model = FusionRegressor(max_epochs=200, lr=0.01, random_state=0).fit(X, y)
    found = emap(model, X, y)
    assert found.score > 0.9 > found.projected_score
    assert found.logits.shape == (40,)
    wide = FusionRegressor(max_epochs=2, random_state=0).fit(X, np.c_[y, y])
    assert emap(wide, X).logits.shape == (40, 2)


class Labels(Decides):
    """Predicts independent labels by the signs of several functions."""

    def fit(self, X, y=None):
        self.classes_ = np.arange(2)
        return self

    def decision_function(self, X):
        return np.column_stack(Says.predict(self, X))

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


class Probabilities(ClassifierMixin, Says):
    """The same, with probabilities."""

    def predict_proba(self, X):
        return 1 / (1 + np.exp(-np.column_stack(Says.predict(self, X))))

    def predict(self, X):
        return (np.column_stack(Says.predict(self, X)) > 0).astype(int)


class Pairs(Probabilities):
    """The same, as scikit-learn's forests return them: an array per label."""

    def predict_proba(self, X):
        return [np.column_stack([1 - p, p]) for p in super().predict_proba(X).T]


def several(t, v, a):
    return 3 * t * v + t, 3 * t * v - a, t + a


@pytest.mark.parametrize("kind", [Labels, Probabilities, Pairs])
def test_labels_are_values_each_by_itself(kind):
    """Unlike with classes, whose logits may be shifted together."""
    rows = cube(np.random.default_rng(0).normal(size=(12, 3)))
    values = says(lambda *parts: np.column_stack(several(*parts)), rows)
    model = kind(several).fit(rows)
    y = np.column_stack(several(*(rows[name][:, 0] for name in rows))) > 0
    found, wanted = emap(model, rows, y), emap(values, rows)
    np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-9)
    assert found.interaction_share == pytest.approx(wanted.interaction_share)
    assert found.interaction_share > 0.5
    assert found.score == 1.0 > found.projected_score
    parts = interaction_decomposition(model, rows)
    sizes = [np.sqrt(np.square(parts.parts[s]).sum(1).mean()) for s in parts.parts if s]
    np.testing.assert_allclose(parts.table["size"], sizes)


@pytest.mark.parametrize("multilabel", [True, False])
def test_a_net_of_two_equal_labels_interacts_as_one(multilabel):
    rng = np.random.default_rng(0)
    rows = ModalityDict({name: rng.normal(size=(300, 1)) for name in "ab"})
    y = (rows["a"] * rows["b"] > 0).astype(int)
    model = FusionClassifier(lr=0.01, max_epochs=40, random_state=0)
    model.fit(rows, np.c_[y, y] if multilabel else y[:, 0])
    found = emap(model, rows[:60], (np.c_[y, y] if multilabel else y[:, 0])[:60])
    assert found.interaction_share > 0.8 and found.score > 0.9


@pytest.mark.parametrize("level", [0.0, 1e3, -1e7])
def test_shares_do_not_depend_on_the_level_of_values(level):
    rows = cube(np.random.default_rng(0).normal(size=(12, 3)))
    shares = [
        emap(says(lambda t, v, a: c + t + v * a, rows), rows).interaction_share
        for c in (0.0, level)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=1e-6) and 0.05 < shares[0] < 0.9


def test_ambiguous_part_names():
    rows = ModalityDict({name: X["a"] for name in ("a", "b", "a + b")})
    model = says(lambda *parts: sum(parts), rows)
    with pytest.raises(ValueError, match=r"parts: .*'a \+ b'.*is ambiguous. Rename"):
        interaction_decomposition(model, rows)


def test_bad_input():
    model = clone(NET).fit(X, Y)
    with pytest.raises(NotFittedError, match="is not fitted"):
        emap(NET, X)
    with pytest.raises(ValueError, match="needs at least two modalities"):
        emap(clone(NET).fit(X.select(["a"]), Y), X.select(["a"]))
    with pytest.raises(ValueError, match="40 and 39"):
        emap(model, X, Y[1:])
    with pytest.raises(ValueError, match="y must have classes that"):
        emap(model, X, ["p"] * 40)
    with pytest.raises(ValueError, match=r"one class per sample.*\(40, 2\)"):
        emap(model, X, np.c_[Y, Y])
    labels = clone(NET).fit(X, np.c_[Y, Y] > 0)
    with pytest.raises(ValueError, match=r"zeros and ones of shape \(n_samples, n"):
        emap(labels, X, Y)
    many = X[np.zeros(4000, dtype=int)]
    with pytest.raises(ValueError, match=r"emap: 4000 samples .* at most 3162 samples"):
        emap(model, many)
