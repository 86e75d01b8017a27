import pickle
import random
import threading

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.nn import ConcatFusion, MLPEncoder, MLPHead, SumFusion
from skmm.objectives import HuberError
from skmm.preprocessing import ModalityTransformer
from skmm.training import predict_outputs
from tests.toys import (
    MeanEmbedding,
    Normed,
    Ridge,
    assert_same_state,
    state_of,
    two_tables,
    with_holes,
)


def classifier(**params):
    return FusionClassifier(
        **{"max_epochs": 3, "random_state": 0, "lr": 0.01, **params}
    )


def regressor(**params):
    return FusionRegressor(**{"max_epochs": 3, "random_state": 0, "lr": 0.01, **params})


def proba(model, X, y, at=None, **fit):
    return model.fit(X, y, **fit).predict_proba(X if at is None else at)


def values(n=40, k=None, seed=0):
    X, _ = two_tables(n, seed)
    y = X["a"][:, 0] + 2 * X["b"][:, 1]
    return X, y if k is None else np.column_stack([y * (j + 1) - j for j in range(k)])


# -- what is learnt ----------------------------------------------------------------


def test_learns_what_no_modality_alone_tells():
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(400, 2)), "b": rng.normal(size=(400, 2))}
    y = (X["a"][:, 0] > 0) ^ (X["b"][:, 0] > 0)
    model = FusionClassifier(random_state=0, max_epochs=40, lr=3e-3)
    fit, held = slice(300), slice(300, None)
    model.fit({n: x[fit] for n, x in X.items()}, y[fit])
    assert model.score({n: x[held] for n, x in X.items()}, y[held]) > 0.9


@pytest.mark.parametrize("fusion", ["concat", "sum", "mean", "product", "max"])
def test_every_named_fusion_learns(fusion):
    X, y = two_tables(100)
    model = classifier(fusion=fusion, max_epochs=30, encoders=MLPEncoder((16,)))
    assert model.fit(X, y).score(X, y) > 0.9


def test_values_are_learnt_in_their_units():
    X, y = values(150)
    model = regressor(max_epochs=60).fit(X, 1e4 + 1e3 * y)
    assert model.score(X, 1e4 + 1e3 * y) > 0.95


@pytest.mark.parametrize(
    "objective", ["squared_error", "absolute_error", HuberError(0.5)]
)
@pytest.mark.parametrize("scale, shift", [(1000.0, -7.0), (1e-6, 3.0)])
def test_regression_is_equivariant(objective, scale, shift):
    X, y = values()
    plain = regressor(objective=objective, optimizer="sgd", lr=0.1).fit(X, y)
    moved = clone(plain).fit(X, scale * y + shift)
    expected = scale * plain.predict(X) + shift
    error = np.abs(moved.predict(X) - expected).max() / abs(scale)
    assert error < 1e-4


def test_a_constant_target():
    X, _ = values()
    model = regressor(max_epochs=30).fit(X, np.full(40, 7.0))
    assert np.abs(model.predict(X) - 7).max() < 1


# -- targets -----------------------------------------------------------------------

LABELS = {
    "str": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "int": np.array([-4, 9]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_come_back(labels):
    X, y = two_tables()
    model = classifier().fit(X, labels[y])
    plain = classifier().fit(X, y)
    assert model.classes_.tolist() == labels.tolist()
    assert model.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(model.predict(X), labels[plain.predict(X)])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_multilabel(make):
    X, _ = two_tables(60)
    y = np.column_stack([X["a"][:, 0] > 0, X["b"][:, 0] > 0, X["a"][:, 1] > 1]).astype(
        int
    )
    model = classifier(max_epochs=40).fit(X, make(y))
    assert model.predict_proba(X).shape == model.decision_function(X).shape == (60, 3)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    assert (model.predict(X) == y).mean() > 0.9
    assert model.score(X, y) > 0.8
    early = clone(model).set_params(early_stopping=True, max_epochs=2)
    assert early.fit(X, make(y)).predict(X).shape == (60, 3)


@pytest.mark.parametrize("k", [None, 1, 3])
def test_several_outputs(k):
    X, y = values(100, k)
    model = regressor(max_epochs=40).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) > 0.9


def test_an_objective_that_does_not_fit_is_named():
    X, y = two_tables()
    for model, message in (
        (classifier(objective="squared_error"), "SquaredError needs a target of"),
        (classifier(objective="mse"), "objective='mse' is not known; choose one of"),
        (regressor(objective="cross_entropy"), "CrossEntropy needs class numbers"),
        (regressor(objective=HuberError(-1.0)), "'delta' parameter of HuberError"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)


def test_an_objective_of_ones_own():
    def hinge(outputs, target, weight):
        signs = 2 * nn.functional.one_hot(target, 2) - 1
        losses = (1 - signs * outputs).clamp(min=0).mean(1)
        return (losses if weight is None else losses * weight).mean()

    X, y = two_tables(100)
    assert classifier(objective=hinge, max_epochs=30).fit(X, y).score(X, y) > 0.9


# -- weights -----------------------------------------------------------------------


def test_class_weight_is_a_sample_weight():
    X, y = two_tables()
    y = np.where(np.arange(40) < 30, 0, y)
    weight = np.where(y == 1, 5.0, 2.0)
    by_class = proba(classifier(class_weight={0: 2, 1: 5}), X, y)
    np.testing.assert_allclose(
        by_class, proba(classifier(), X, y, sample_weight=weight)
    )
    counts = np.bincount(y)
    balanced = proba(classifier(class_weight="balanced"), X, y)
    weighted = proba(classifier(), X, y, sample_weight=(40 / (2 * counts))[y])
    np.testing.assert_allclose(balanced, weighted, rtol=1e-5)
    assert np.abs(balanced - proba(classifier(), X, y)).max() > 1e-3


@pytest.mark.parametrize("make", [classifier, regressor])
def test_the_scale_of_weights_does_not_matter(make):
    X, y = two_tables()
    weight = np.random.default_rng(0).uniform(0.1, 3, 40)
    a, b = (make().fit(X, y, sample_weight=weight * scale) for scale in (1, 1e4))
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-4)
    np.testing.assert_allclose(a.history_.train_loss, b.history_.train_loss, rtol=1e-5)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_weight_zero_is_removed_and_weight_two_is_repeated(make):
    X, y = two_tables()
    weight = np.random.default_rng(0).integers(0, 3, 40)
    again = np.repeat(np.arange(40), weight)
    settings = {"batch_size": 200, "max_epochs": 10, "optimizer": "sgd", "lr": 0.1}
    weighted = make(**settings).fit(X, y, sample_weight=weight)
    repeated = make(**settings).fit(X[again], y[again])
    np.testing.assert_allclose(
        weighted.transform(X), repeated.transform(X), rtol=1e-3, atol=1e-5
    )
    unweighted = make(**settings).fit(X, y)
    assert np.abs(unweighted.transform(X) - repeated.transform(X)).max() > 1e-3


@pytest.mark.parametrize(
    "weight, message",
    [(np.zeros(40), "non-zero"), (-np.ones(40), "Negative"), (np.ones(3), "shape")],
)
def test_bad_weights_are_refused(weight, message):
    X, y = two_tables()
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y, sample_weight=weight)


# -- seeds -------------------------------------------------------------------------


def generators():
    numpy_state = np.random.get_state()
    return (
        torch.get_rng_state().tolist(),
        numpy_state[1].tolist(),
        numpy_state[2],
        random.getstate(),
    )


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stop")


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_global_generator_moves(random_state, early_stopping):
    X, y = two_tables()
    before = generators()
    model = classifier(
        random_state=random_state,
        early_stopping=early_stopping,
        encoders=MLPEncoder((4,), dropout=0.5),
    )
    model.fit(X, y).predict(X)
    assert generators() == before
    with pytest.raises(RuntimeError, match="stop"):
        model.set_params(callbacks=[Fails()]).fit(X, y)
    assert generators() == before


def test_global_generators_have_no_influence():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5))
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        results.append(proba(model, X, y))
    np.testing.assert_array_equal(*results)


def test_the_same_seed_the_same_model():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), early_stopping=True)
    first = proba(model, X, y)
    np.testing.assert_array_equal(first, proba(model, X, y))
    np.testing.assert_array_equal(first, proba(clone(model), X, y))
    other = proba(clone(model).set_params(random_state=1), X, y)
    assert np.abs(first - other).max() > 1e-3


def test_no_seed_gives_different_nets():
    X, y = two_tables()
    a, b = (proba(classifier(random_state=None), X, y) for _ in range(2))
    assert np.abs(a - b).max() > 1e-4


def test_a_random_state_gives_a_seed():
    X, y = two_tables()
    a, b = (
        proba(classifier(random_state=np.random.RandomState(3)), X, y) for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)
    state = np.random.RandomState(3)
    first, second = (proba(classifier(random_state=state), X, y) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4


def test_threads_do_not_disturb_each_other():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), max_epochs=5)
    expected, results = proba(clone(model), X, y), {}
    barrier = threading.Barrier(3)

    def work(i, mine):
        barrier.wait()
        results[i] = proba(mine, X, y)

    threads = [threading.Thread(target=work, args=(i, clone(model))) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for result in results.values():
        np.testing.assert_array_equal(result, expected)


def test_threads_may_fit_the_same_estimator():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), max_epochs=5)
    expected = proba(clone(model), X, y)
    threads = [threading.Thread(target=model.fit, args=(X, y)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_another_modality_leaves_the_start_of_an_encoder():
    X, y = two_tables()
    starts = {}
    for names in (["a"], ["a", "b"], ["b", "a"]):
        problem = classifier().prepare(X.select(names), y)
        starts[tuple(names)] = state_of(problem.module.encoders["a"])
    for state in starts.values():
        assert_same_state(state, starts[("a",)])


# -- encoders ----------------------------------------------------------------------


def fitted_encoder(encoders, name="a", **params):
    X, y = two_tables()
    return classifier(encoders=encoders, **params).fit(X, y).net_.module_.encoders[name]


def test_none_a_dict_one_block():
    assert fitted_encoder(None).hidden == (64,)
    assert fitted_encoder({"b": MLPEncoder((3,))}).hidden == (64,)
    assert fitted_encoder({"b": MLPEncoder((3,))}, "b").hidden == (3,)
    assert fitted_encoder({"a": None}).hidden == (64,)
    for name in "ab":
        assert fitted_encoder(MLPEncoder((3,)), name).hidden == (3,)


def test_the_users_parts_are_not_changed():
    X, y = two_tables()
    encoders = {"a": nn.Linear(3, 4), "b": MLPEncoder((4,)), "c": None}
    before = state_of(encoders["a"])
    fusion, head = SumFusion(), MLPHead((4,))
    model = classifier(
        encoders=encoders, fusion=fusion, head=head, modalities=["a", "b"]
    )
    model.fit(X.assign(c=X["a"]), y)
    assert_same_state(state_of(encoders["a"]), before)
    assert not any(b.is_built for b in (encoders["b"], fusion, head))
    assert encoders["c"] is None and model.encoders is encoders
    trained = model.net_.module_.encoders["a"].weight
    assert not torch.equal(trained, encoders["a"].weight)


def test_a_plain_module_keeps_its_start():
    pretrained = nn.Linear(3, 4)
    X, y = two_tables()
    problem = classifier(encoders={"a": pretrained}).prepare(X, y)
    assert_same_state(state_of(problem.module.encoders["a"]), state_of(pretrained))


def test_a_built_block_survives_clone_and_cross_validation():
    pretrained = MLPEncoder((4,)).build((3,)).requires_grad_(False)
    X, y = two_tables()
    result = cross_validate(
        classifier(encoders={"a": pretrained}), X, y, cv=2, return_estimator=True
    )
    for model in result["estimator"]:
        encoder = model.net_.module_.encoders["a"]
        assert_same_state(state_of(encoder), state_of(pretrained))


def test_lazy_modules():
    lazy = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    trained = fitted_encoder({"a": lazy})
    assert trained[0].weight.shape == (4, 3)
    assert nn.parameter.is_lazy(lazy[0].weight)


@pytest.mark.parametrize(
    "encoder, message",
    [
        (nn.Linear(7, 4), r"encoders\['a'\]: Linear cannot read rows of shape \(3,\)"),
        (
            nn.Unflatten(1, (1, 3)),
            r"encoders\['a'\]: Unflatten returned \(2, 1, 3\) for 2 rows",
        ),
        (MLPEncoder((4,)).build((7,)), r"encoders\['a'\]: MLPEncoder cannot read rows"),
        (MLPEncoder(dropout=7), "'dropout' parameter of MLPEncoder"),
        (MLPEncoder((0,)), "hidden must be a tuple of positive integers"),
    ],
)
def test_a_wrong_encoder_is_named(encoder, message):
    X, y = two_tables()
    with pytest.raises(ValueError, match=message):
        classifier(encoders={"a": encoder}).fit(X, y)


def test_unequal_widths_are_named():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder((3,))}, fusion="sum")
    with pytest.raises(ValueError, match=r"SumFusion needs .*'a': 3, 'b': 64"):
        model.fit(X, y)
    model.set_params(fusion=SumFusion(width=8)).fit(X, y)
    assert model.transform(X).shape == (40, 8)


def test_an_unknown_name_is_corrected():
    X, y = two_tables()
    X = ModalityDict(image=X["a"], table=X["b"])
    with pytest.raises(
        ValueError, match=r"encoders: unknown modality 'tabel'.*'table'"
    ):
        classifier(encoders={"tabel": MLPEncoder()}).fit(X, y)
    with pytest.raises(ValueError, match="modalities: unknown modality 'imag'"):
        classifier(modalities=["imag"]).fit(X, y)
    with pytest.raises(ValueError, match="X: unknown modality 'tabel'"):
        classifier().fit(X, y).predict({"image": X["image"], "tabel": X["table"]})


def test_a_subset_ignores_the_encoders_of_others():
    X, y = two_tables()
    encoders = {"a": MLPEncoder((3,)), "b": nn.Linear(99, 1)}
    model = classifier(encoders=encoders, modalities=["a"]).fit(X, y)
    alone = classifier(encoders={"a": MLPEncoder((3,))}).fit(X.select(["a"]), y)
    np.testing.assert_array_equal(
        model.predict_proba(X), alone.predict_proba(X.select(["a"]))
    )
    with pytest.raises(ValueError, match="encoders: unknown modality 'bb'"):
        model.set_params(encoders={"bb": MLPEncoder()}).fit(X, y)


def test_the_order_of_modalities_at_predict_does_not_matter():
    X, y = two_tables()
    model = classifier().fit(X, y)
    turned = {"b": X["b"], "a": X["a"]}
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(turned))


@pytest.mark.parametrize(
    "names", [["a.b", "keys"], ["training", "forward"], ["é", " "]]
)
def test_names_of_any_kind(names):
    X, y = two_tables()
    renamed = ModalityDict(dict(zip(names, X.values(), strict=True)))
    model = classifier().fit(renamed, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        model.predict_proba(renamed), again.predict_proba(renamed)
    )


# -- kinds of leaves ---------------------------------------------------------------


def test_all_kinds_of_numbers_train_alike(tmp_path):
    X, y = two_tables()
    table = np.round(np.abs(X["a"]) * 10).astype(np.uint8)
    on_disk = np.memmap(tmp_path / "table", np.uint8, "w+", shape=table.shape)
    on_disk[:] = table
    expected = proba(classifier(), {"a": table.astype(float), "b": X["b"]}, y)
    for leaf in (
        table,
        table.astype(np.float32),
        table.astype(">i4"),
        np.asfortranarray(table),
        table[::-1][::-1],
        torch.from_numpy(table),
        sparse.csr_array(table),
        sparse.coo_matrix(table.astype(float)),
        pd.DataFrame(table).astype({0: float}),
        on_disk,
    ):
        result = proba(classifier(), {"a": leaf, "b": X["b"]}, y)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_booleans_are_zeros_and_ones():
    X, y = two_tables()
    flags = X["a"] > 0
    expected = proba(classifier(), {"a": flags.astype(float), "b": X["b"]}, y)
    for leaf in (
        flags,
        torch.from_numpy(flags),
        sparse.csr_array(flags),
    ):
        np.testing.assert_allclose(
            proba(classifier(), {"a": leaf, "b": X["b"]}, y), expected, rtol=1e-5
        )


@pytest.mark.parametrize("kind", ["dense", "sparse", "memmap", "tensor"])
def test_missing_rows_train_alike_in_every_kind(kind, tmp_path):
    X, y = two_tables()
    X = with_holes(X.assign(a=np.abs(X["a"]).round(1)))
    disk = np.memmap(tmp_path / "table", float, "w+", shape=(40, 3))
    disk[:] = X["a"]
    leaf = {
        "dense": X["a"],
        "sparse": sparse.csr_array(X["a"]),
        "memmap": disk,
        "tensor": torch.from_numpy(X["a"]),
    }[kind]
    other = ModalityDict(a=leaf, b=X["b"], present=X.present)
    np.testing.assert_allclose(
        proba(classifier(), other, y), proba(classifier(), X, y), rtol=1e-5
    )


def test_grids_and_one_number_per_row():
    X, y = two_tables()
    model = classifier(fusion="mean").fit(
        {"grid": X["b"][:, :4].reshape(40, 2, 2), "age": X["a"][:, 0]}, y
    )
    assert model.shapes_in_ == {"grid": (2, 2), "age": (1,)}


def test_columns_that_are_no_numbers_are_named():
    X, y = two_tables()
    frame = pd.DataFrame({"age": X["a"][:, 0], "town": pd.Categorical(["x", "y"] * 20)})
    with pytest.raises(TypeError, match=r"modality 'a' has columns .*'town'.*Modality"):
        classifier().fit({"a": frame, "b": X["b"]}, y)


NOTES = ["good", "bad"] * 20


def test_text_needs_an_encoder():
    X, y = two_tables()
    with pytest.raises(ValueError, match=r"modality 'note' is text.*encoders="):
        classifier().fit(X.assign(note=NOTES), y)
    with pytest.raises(
        ValueError, match=r"encoders\['note'\]: MLPEncoder cannot read rows"
    ):
        classifier(encoders={"note": MLPEncoder()}).fit(X.assign(note=NOTES), y)


def test_text_is_read_as_bytes():
    X, _ = two_tables()
    y = np.array(NOTES)
    model = classifier(encoders={"note": MeanEmbedding(8)}, max_epochs=30)
    model.fit(X.assign(note=NOTES), y)
    assert model.score(X.assign(note=NOTES), y) == 1.0
    longer = X.assign(note=[n * 50 + "ß" for n in NOTES])
    assert model.predict(longer).shape == (40,)
    assert model.predict(X.assign(note=[""] * 40)).shape == (40,)


def test_missing_text():
    X, y = two_tables()
    notes = [None if i % 3 == 0 else note for i, note in enumerate(NOTES)]
    there = np.array([note is not None for note in notes])
    model = classifier(encoders={"note": MeanEmbedding()})
    X = ModalityDict(X, note=notes, present={"note": there})
    np.testing.assert_array_equal(
        proba(model, X, y),
        proba(
            model,
            X.assign(
                note=["" if n is None else n for n in notes], present={"note": there}
            ),
            y,
        ),
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_where_present(bad):
    X, y = two_tables()
    table = X["a"].copy()
    table[7, 1] = bad
    with pytest.raises(ValueError, match=r"modality 'a' has NaN or infinity.*\(7\)"):
        classifier().fit({"a": table, "b": X["b"]}, y)
    marked = ModalityDict(a=table, b=X["b"]).with_missing("a", [7])
    zeros = X.with_missing("a", [7])
    np.testing.assert_array_equal(
        proba(classifier(), marked, y), proba(classifier(), zeros, y)
    )


# -- missing modalities ------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["concat", "sum", "mean", "product", "max"])
def test_what_stands_in_missing_rows_has_no_influence(fusion):
    X, y = two_tables()
    X = with_holes(X)
    other = ModalityDict(
        {n: np.where(X.present[n][:, None], x, 1e6) for n, x in X.items()},
        present=X.present,
    )
    model = classifier(fusion=fusion)
    np.testing.assert_array_equal(proba(model, X, y), proba(model, other, y))


def test_a_row_is_predicted_from_what_it_has():
    X, y = two_tables()
    model = classifier(fusion="mean").fit(with_holes(X), y)
    module = model.net_.module_
    only_b = torch.from_numpy(X["b"]).float()
    with torch.no_grad():
        expected = module.eval().head(module.encoders["b"](only_b)).softmax(1)
    np.testing.assert_allclose(
        model.predict_proba(X.with_missing("a")), expected, rtol=1e-5, atol=1e-6
    )


def test_rows_without_anything_are_alike():
    X, y = two_tables()
    model = classifier().fit(with_holes(X), y)
    result = model.predict_proba(X.with_missing("a").with_missing("b"))
    assert np.isfinite(result).all() and (result == result[0]).all()


def test_a_key_may_lack_if_it_lacked_before():
    X, y = two_tables()
    model = classifier().fit(X.with_missing("a", [1, 2]), y)
    np.testing.assert_array_equal(
        model.predict_proba({"b": X["b"]}), model.predict_proba(X.with_missing("a"))
    )
    assert model.optional_modalities_ == ["a"]
    with pytest.raises(ValueError, match="X lacks modality 'b'"):
        model.predict({"a": X["a"]})


def test_a_key_must_be_there_if_it_always_was():
    X, y = two_tables()
    model = classifier().fit(X, y)
    with pytest.raises(ValueError, match=r"X lacks modality 'a'.*with_missing"):
        model.predict({"b": X["b"]})
    assert model.predict(X.with_missing("a")).shape == (40,)


def test_missing_rows_do_not_enter_a_batch_norm():
    X, y = two_tables()
    X = X.with_missing("a", slice(30, None))
    model = classifier(encoders={"a": Normed()}, batch_size=40, max_epochs=1).fit(X, y)
    norm = model.net_.module_.encoders["a"].norm
    expected = 0.1 * torch.from_numpy(X["a"][:30]).float().mean(0)
    torch.testing.assert_close(norm.running_mean, expected)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_batch_norm_meets_batches_with_one_row_or_none(name):
    X, y = two_tables()
    X = X.with_missing(name, slice(1, None))
    model = classifier(encoders={name: Normed()}, batch_size=8).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


# -- early stopping ----------------------------------------------------------------


def test_the_best_weights_are_kept():
    X, y = two_tables(80)
    model = classifier(
        early_stopping=True, patience=3, max_epochs=80, lr=0.05, validation_fraction=0.3
    )
    noisy = np.where(np.random.default_rng(0).random(80) < 0.3, 1 - y, y)
    model.fit(X, noisy)
    history = model.history_
    assert model.n_iter_ == len(history) < 80
    best = history.valid_loss.to_numpy().argmin()
    assert len(history) - 1 - best == 3
    rows, target = model.prepare(X, noisy, again=True).valid
    loss = model.net_.criterion_(predict_outputs(model.net_.module_, rows, 100), target)
    assert loss.item() == pytest.approx(history.valid_loss[best], rel=1e-4)


def test_the_split_is_stratified_and_seeded():
    X, _ = two_tables(60)
    y = np.repeat([0, 1, 2], [40, 10, 10])
    model = classifier(early_stopping=True, validation_fraction=0.2)
    held = model.prepare(X, y).valid[1]
    assert torch.bincount(held).tolist() == [8, 2, 2]
    assert torch.equal(held, model.prepare(X, y).valid[1])


def test_a_class_of_one_row_warns():
    X, _ = two_tables()
    with pytest.warns(UserWarning, match="not stratified: class 'rare' has 1 row"):
        classifier(early_stopping=True).fit(X, ["often"] * 39 + ["rare"])


@pytest.mark.parametrize("n", [3, 5, 7])
def test_few_rows(n):
    X, y = values(n)
    model = regressor(early_stopping=True, validation_fraction=0.5).fit(X, y)
    assert model.predict(X).shape == (n,)


def test_too_few_rows():
    X, y = values(2)
    with pytest.raises(ValueError, match="early_stopping needs at least 3 rows"):
        regressor(early_stopping=True).fit(X, y)


@pytest.mark.parametrize("n", [1, 2])
def test_one_row_or_two(n):
    X, y = values(n)
    assert regressor().fit(X, y).predict(X).shape == (n,)


# -- going on ----------------------------------------------------------------------


def test_partial_fit_is_one_epoch():
    X, y = two_tables()
    dropout = {"encoders": MLPEncoder((8,), dropout=0.5)}
    once = classifier(max_epochs=1, **dropout).fit(X, y)
    np.testing.assert_array_equal(
        once.predict_proba(X), classifier(**dropout).partial_fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("make", [classifier, regressor])
def test_partial_fits_add_up(make):
    X, y = two_tables()
    whole, parts = make(max_epochs=4).fit(X, y), make()
    for _ in range(4):
        parts.partial_fit(X, y)
    assert parts.n_iter_ == 4
    np.testing.assert_array_equal(whole.transform(X), parts.transform(X))


def test_partial_fit_with_named_classes():
    X, y = two_tables()
    model = classifier()
    model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    model.partial_fit(X[y == 1], y[y == 1])
    assert model.predict_proba(X).shape == (40, 2)
    with pytest.raises(ValueError, match=r"classes \[5\] that are not among"):
        model.partial_fit(X[:2], [0, 5])


def test_partial_fit_keeps_the_scale_of_y():
    X, y = values()
    model = regressor().partial_fit(X, y)
    mean, scale = model._target.mean, model._target.scale
    model.partial_fit(X, 100 + y)
    assert model._target.mean == mean and model._target.scale == scale


def test_partial_fit_cannot_stop_early():
    X, y = two_tables()
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        classifier(early_stopping=True).partial_fit(X, y)


def test_warm_start_goes_on():
    X, y = two_tables()
    model = classifier(warm_start=True, max_epochs=2).fit(X, y)
    model.set_params(max_epochs=3).fit(X, y)
    assert model.n_iter_ == 5 and model.history_.epoch.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(
        model.predict_proba(X), proba(classifier(max_epochs=5), X, y)
    )


def test_warm_start_heeds_new_settings():
    X, y = two_tables()
    model = classifier(warm_start=True).fit(X, y)
    model.set_params(lr=0.5, batch_size=20, optimizer="sgd", weight_decay=0.1).fit(X, y)
    group = model.net_.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"], model.net_.batch_size) == (0.5, 0.1, 20)
    assert type(model.net_.optimizer_) is torch.optim.SGD
    model.set_params(early_stopping=True, patience=1, max_epochs=30).fit(X, y)
    assert "valid_loss" in model.history_ and model.n_iter_ < 36


def test_warm_start_refuses_what_it_cannot_continue():
    X, y = two_tables()
    model = classifier(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"classes \[2\] that are not among"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="modality 'a' has rows of shape"):
        model.fit(X.assign(a=X["b"]), y)
    with pytest.raises(ValueError, match="y changed between"):
        model.fit(X, np.eye(2, dtype=int)[y])


def test_without_warm_start_fit_starts_again():
    X, y = two_tables()
    model = classifier().fit(X, y)
    first = model.predict_proba(X)
    np.testing.assert_array_equal(first, model.fit(X, y).predict_proba(X))
    assert model.n_iter_ == 3
    model.fit({"z": X["b"]}, np.where(y, "u", "v"))
    assert model.modalities_in_ == ["z"] and model.classes_.tolist() == ["u", "v"]


# -- looking inside ----------------------------------------------------------------


def test_head_of_transform_is_the_output():
    X, y = two_tables(60, classes=3)
    model = classifier().fit(with_holes(X), y)
    fused = model.transform(X)
    assert fused.shape == (60, 128) and fused.dtype == np.float32
    with torch.no_grad():
        outputs = model.net_.module_.head(torch.from_numpy(fused))
    np.testing.assert_allclose(
        outputs, model.decision_function(X), rtol=1e-4, atol=1e-5
    )
    assert len(model.get_feature_names_out()) == 128
    assert model.get_feature_names_out()[1] == "fusionclassifier1"


def test_embeddings_by_modality():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder((5,))}).fit(with_holes(X), y)
    parts = model.embed(X.with_missing("a", [3]))
    assert {n: p.shape for n, p in parts.items()} == {"a": (40, 5), "b": (40, 64)}
    assert not parts["a"][3].any()
    np.testing.assert_array_equal(
        np.hstack([model.embed(X)[n] for n in "ab"]), model.transform(X)
    )


def test_predictions_do_not_depend_on_the_company():
    X, y = two_tables()
    model = classifier(encoders={"a": Normed()}).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X[5:8]), model.predict_proba(X)[5:8], rtol=1e-5
    )
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))


def test_dropout_is_off_when_predicting():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.9)).fit(X, y)
    for method in (model.predict_proba, model.transform):
        np.testing.assert_array_equal(method(X), method(X))


def test_history():
    X, y = two_tables()
    assert list(classifier().fit(X, y).history_) == ["epoch", "train_loss", "dur"]
    model = classifier(early_stopping=True, max_epochs=2).fit(X, y)
    assert list(model.history_) == ["epoch", "train_loss", "valid_loss", "dur"]
    assert model.history_.epoch.tolist() == [1, 2] and model.n_iter_ == 2
    assert (model.history_.dur > 0).all()


def test_more_rows_than_a_slice():
    X, y = two_tables(1100)
    model = classifier(max_epochs=1, batch_size=500).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X)[1000:], model.predict_proba(X[1000:]), rtol=1e-5
    )


@pytest.mark.parametrize("method", ["predict", "transform", "embed", "predict_proba"])
def test_not_fitted(method):
    X, _ = two_tables()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        getattr(classifier(), method)(X)


# -- callbacks, printing, errors ---------------------------------------------------


class Counts(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


def test_callbacks_are_copied():
    X, y = two_tables()
    mine = Counts()
    model = classifier(callbacks=[mine, ("named", Counts())]).fit(X, y)
    assert mine.epochs == 0 and vars(mine) == {"epochs": 0}
    assert dict(model.net_.callbacks_)["Counts"].epochs == 3
    assert dict(model.net_.callbacks_)["named"].epochs == 3


def test_early_stopping_of_skorch():
    X, y = two_tables()
    stopper = EarlyStopping("train_loss", patience=2, threshold=10.0)
    model = classifier(callbacks=[stopper], max_epochs=20).fit(X, y)
    assert model.n_iter_ < 5 and model.predict(X).shape == (40,)


def test_verbosity(capsys):
    X, y = two_tables()
    classifier(early_stopping=True).fit(X, y)
    assert capsys.readouterr() == ("", "")
    classifier(verbose=1).fit(X, y).partial_fit(X, y)
    shown = capsys.readouterr()
    assert "3/3" in shown.err and "1/1" in shown.err and "train_loss" in shown.err


def test_exploding_is_explained():
    X, y = two_tables()
    model = classifier(optimizer="sgd", lr=1e30)
    with pytest.raises(FloatingPointError, match=r"train loss is .*lr \(now 1e\+30\)"):
        model.fit(X, y)


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": -1.0},
        {"lr": 0.0},
        {"optimizer": "adamm"},
        {"optimizer": 3},
        {"batch_size": 0},
        {"max_epochs": 0},
        {"weight_decay": -0.1},
        {"patience": 0},
        {"validation_fraction": 1.0},
        {"early_stopping": "yes"},
        {"fusion": "concatt"},
        {"fusion": 3},
        {"fusion": SumFusion},
        {"head": "mlp"},
        {"encoders": "mlp"},
        {"encoders": {"a": "mlp"}},
        {"modalities": "a"},
        {"modalities": []},
        {"callbacks": Counts()},
        {"device": "cuda:99"},
        {"device": None},
        {"class_weight": "balance"},
        {"random_state": -1},
        {"objective": "mse"},
    ],
    ids=lambda bad: str(bad).partition(" object at")[0],
)
def test_bad_parameters_are_named(bad):
    X, y = two_tables()
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        classifier(**bad).fit(X, y)


def test_decay_is_for_optimizers_that_have_it():
    X, y = two_tables()
    with pytest.raises(ValueError, match=r"weight_decay=0.1: Rprop has none"):
        classifier(optimizer=torch.optim.Rprop, weight_decay=0.1).fit(X, y)


def test_a_penalty_shrinks():
    weights = [
        fitted_encoder({"a": Ridge(strength=s)}, max_epochs=30)
        .linear.weight.norm()
        .item()
        for s in (0.0, 1.0)
    ]
    assert weights[1] < 0.2 * weights[0]


# -- with scikit-learn -------------------------------------------------------------


def test_pickling():
    X, y = two_tables()
    model = classifier(early_stopping=True, callbacks=[Counts()]).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert again.history_.equals(model.history_)
    again.set_params(warm_start=True, early_stopping=False).fit(X, y)
    assert again.n_iter_ == model.n_iter_ + 3


def test_nested_parameters():
    model = classifier(encoders={"a": MLPEncoder(), "b": None}, fusion=ConcatFusion())
    mine = model.encoders["a"]
    model.set_params(encoders__a__hidden=(5,), fusion__hidden=(7,), lr=0.5)
    assert model.encoders["a"].hidden == (5,) and model.fusion.hidden == (7,)
    assert mine.hidden == (64,)
    with pytest.raises(ValueError, match="'encoders__c__hidden' for FusionClassifier"):
        model.set_params(encoders__c__hidden=(5,))


def test_searching():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder()}, max_epochs=1)
    grid = {
        "encoders__a__hidden": [(2,), (64,)],
        "fusion": ["concat", SumFusion(width=4)],
        "modalities": [None, ["a"]],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    best = search.best_estimator_.net_.module_.encoders["a"]
    assert best.hidden == search.best_params_["encoders__a__hidden"]


def test_predictions_by_cross_validation():
    X, y = two_tables()
    pipe = make_pipeline(ModalityTransformer({"a": StandardScaler()}), classifier())
    whole = cross_val_predict(pipe, X, y, cv=2, method="predict_proba")
    assert whole.shape == (40, 2)


def test_output_as_a_frame():
    X, y = two_tables()
    model = classifier().set_output(transform="pandas").fit(X, y)
    frame = model.transform(X)
    assert isinstance(frame, pd.DataFrame) and frame.shape == (40, 128)
    assert list(frame) == list(model.get_feature_names_out())


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_are_routed():
    X, y = two_tables()
    weight = np.where(np.arange(40) % 2, 3.0, 0.1)
    asks = classifier().set_fit_request(sample_weight=True)
    pipe = make_pipeline(ModalityTransformer(), asks).fit(X, y, sample_weight=weight)
    direct = proba(classifier(), X, y, sample_weight=weight)
    np.testing.assert_array_equal(pipe.predict_proba(X), direct)
    assert np.abs(direct - proba(classifier(), X, y)).max() > 1e-3

    asks.set_score_request(sample_weight=True)
    params = {"sample_weight": weight}
    result = cross_validate(asks, X, y, cv=2, params=params, return_estimator=True)
    assert len(result["estimator"]) == 2
    search = GridSearchCV(asks, {"lr": [0.01]}, cv=2).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(search.predict_proba(X), direct)


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_asked_for_are_refused():
    X, y = two_tables()
    with pytest.raises(ValueError, match="sample_weight"):
        make_pipeline(ModalityTransformer(), classifier()).fit(X, y, sample_weight=y)


@pytest.mark.parametrize(
    "encoders", [None, MLPEncoder(), {"a": nn.Linear(3, 2), "b": None}, nn.Flatten()]
)
def test_html(encoders):
    X, y = two_tables()
    model = classifier(encoders=encoders)
    assert "FusionClassifier" in model._repr_html_() + str(model)
    assert "<div" in model.fit(X, y)._repr_html_()
    assert "MultimodalModule" in repr(model.net_)
