import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils._param_validation import InvalidParameterError

import skmm
from skmm import FusionClassifier, ModalityDict
from skmm.data.categories import TableShape
from skmm.nn import CategoricalEmbedding, MLPEncoder

SHAPE = TableShape((3,), {1: ("a", "b", "c"), 2: ("x", "y")}, ("n", "p", "q"))
N = 90
FAST = {"max_epochs": 3, "random_state": 0}


def table(seed=0, n=N):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green", "blue", "grey"], n),
            "shape": pd.Categorical(rng.choice(["cube", "ball"], n)),
        }
    )


def label(frame):
    bright = frame["colour"].isin(["red", "blue"]).to_numpy()
    return (bright ^ (frame["shape"] == "cube").to_numpy()).astype(int)


X = {"t": table(), "other": np.random.default_rng(1).normal(size=(N, 2))}
Y = label(X["t"])


def built(**params):
    torch.manual_seed(0)
    return CategoricalEmbedding((4,), **params).build(SHAPE)


def codes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def adapted(x, weight=None, **params):
    encoder = built(**params)
    with torch.no_grad():
        return encoder.adapt(x, weight)


SEEN = codes([0.1, 0, 0], [0.5, 1, 1], [2.0, 0, 0], [3.0, 0, 1])


def test_the_result_is_a_layer_on_numbers_and_embeddings():
    encoder, x = adapted(SEEN, scale=None), SEEN
    parts = torch.cat([x[:, :1], encoder.embed(x)], 1)
    torch.testing.assert_close(encoder(x), encoder.layers(parts))
    first, second = encoder.embed(x[:2])
    d, e = 3, 2  # widths for 3 and for 2 categories
    expected = torch.cat([encoder.table[0, :d], encoder.table[5, :e]])
    torch.testing.assert_close(first, expected)
    expected = torch.cat([encoder.table[1, :d], encoder.table[6, :e]])
    torch.testing.assert_close(second, expected)


def test_a_table_is_a_linear_map_of_one_hot_codes():
    encoder, x = adapted(SEEN, dim=5), SEEN
    one_hot = torch.nn.functional.one_hot(x[:, 1:].long(), 5).float()
    first = one_hot[:, 0] @ encoder.table[:5]
    second = one_hot[:, 1, :4] @ encoder.table[5:]
    torch.testing.assert_close(encoder.embed(x), torch.cat([first, second], 1))


def test_a_new_category_has_the_mean_embedding_of_the_training_samples():
    weight = torch.tensor([1.0, 2.0, 1.0, 1.0])
    for given in (None, weight):
        encoder = adapted(SEEN, given)
        share = torch.ones(4) if given is None else given
        mean = (share[:, None] * encoder.embed(SEEN)).sum(0) / share.sum()
        torch.testing.assert_close(encoder.embed(codes([0, 4, 3]))[0], mean)
        never = encoder.embed(codes([0, 2, 0]))[0]  # "c", in no training sample
        torch.testing.assert_close(never[:3], mean[:3])
        missing = encoder.embed(codes([0, 3, 2]))[0]
        torch.testing.assert_close(missing, mean)


def test_training_and_prediction_read_the_same_embeddings():
    encoder = adapted(SEEN)
    for x in (SEEN, codes([0, 4, 0], [0, 1, 2])):
        torch.testing.assert_close(encoder.eval().embed(x), encoder.train().embed(x))


def test_a_missing_entry_has_an_embedding_of_its_own_if_training_samples_lack_it():
    encoder = adapted(torch.cat([SEEN, codes([0, 3, 0])]))
    missing = encoder.embed(codes([0, 3, 0]))[0, :3]
    torch.testing.assert_close(missing, encoder.table[3, :3])


def test_a_weight_counts_like_repeated_samples():
    repeated = adapted(torch.cat([SEEN, SEEN[1:2]]))
    weighted = adapted(SEEN, torch.tensor([1.0, 2.0, 1.0, 1.0]))
    torch.testing.assert_close(weighted.share, repeated.share)


def test_many_samples_are_counted_in_parts(monkeypatch):
    expected = adapted(SEEN).share
    monkeypatch.setattr("skmm.nn.encoders.categorical.PIECE", 3)
    torch.testing.assert_close(adapted(SEEN).share, expected)


def test_only_numbers_are_scaled():
    x = SEEN.clone()
    x[:, 0] = x[:, 0] * 100 + 7
    torch.testing.assert_close(adapted(x)(x), adapted(SEEN)(SEEN))
    assert not torch.allclose(
        adapted(x, scale=None)(x), adapted(SEEN, scale=None)(SEEN)
    )


@pytest.mark.parametrize(("count", "width"), [(1, 2), (2, 2), (10, 6), (10**4, 50)])
def test_widths_grow_with_the_number_of_categories(count, width):
    shape = TableShape((1,), {0: tuple(range(count))}, ("p",))
    encoder = CategoricalEmbedding().build(shape)
    assert encoder.embed(codes([0])).shape == (1, width)
    assert CategoricalEmbedding(dim=7).build(shape).embed(codes([0])).shape == (1, 7)


def test_it_is_the_default_and_learns_what_categories_say():
    model = FusionClassifier(max_epochs=60, lr=0.01, random_state=0).fit(X, Y)
    assert type(model.net_.module_.encoders["t"]) is CategoricalEmbedding
    assert type(model.net_.module_.encoders["other"]) is MLPEncoder
    test = {"t": table(5), "other": X["other"]}
    assert model.score(test, label(test["t"])) > 0.95


def test_a_category_of_a_column_of_its_own():
    frame = pd.DataFrame({"colour": pd.Categorical(["red", "blue"] * 20), "n": 1.0})
    model = FusionClassifier(lr=0.01, max_epochs=20, random_state=0)
    assert model.fit(frame, [0, 1] * 20).score(frame, [0, 1] * 20) == 1


def test_what_a_category_is_called_and_its_order_has_no_influence_on_new_ones():
    model = FusionClassifier(**FAST).fit(X, Y)
    new = [X["t"].assign(colour=name) for name in ("pink", "mauve")]
    one, other = (model.predict_proba({**X, "t": frame}) for frame in new)
    assert np.array_equal(one, other)
    single = X["t"][:1].assign(colour=pd.Categorical(["red"]))
    alone = model.predict_proba({"t": single, "other": X["other"][:1]})
    whole = X["t"].assign(colour=["red"] * N)
    both = model.predict_proba({**X, "t": whole})
    np.testing.assert_allclose(alone, both[:1], rtol=1e-5)


def test_missing_categories_are_learnt_and_missing_numbers_refused():
    frame = X["t"].copy()
    frame.loc[::2, "colour"] = None
    y = np.arange(N) % 2
    model = FusionClassifier(lr=0.01, max_epochs=30, random_state=0)
    assert model.fit({"t": frame}, y).score({"t": frame}, y) == 1
    frame.loc[3, "size"] = np.nan
    with pytest.raises(ValueError, match=r"'t' has NaN or infinity in 1 row"):
        model.fit({"t": frame}, y)


def test_samples_without_weight_are_as_if_removed():
    frame = X["t"].copy()
    frame.loc[80:, "colour"] = "unknown"
    weight = np.r_[np.ones(80), np.zeros(10)]
    weighted = FusionClassifier(**FAST).fit({"t": frame}, Y, weight)
    removed = FusionClassifier(**FAST).fit({"t": frame[:80]}, Y[:80])
    assert weighted.shapes_in_["t"].categories == removed.shapes_in_["t"].categories
    found, expected = (m.predict_proba({"t": frame}) for m in (weighted, removed))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_category_that_only_the_validation_set_has_counts_as_new():
    frame = X["t"].copy()
    frame.loc[80:, "colour"] = "late"
    late = np.arange(N) >= 80
    held = ({"t": frame[late]}, Y[late])
    model = FusionClassifier(early_stopping=True, **FAST)
    module = model.prepare({"t": frame}, Y, valid=late).module
    encoder = module.encoders["t"]
    place = encoder.in_shape_.categories[1].index("late")
    x = codes([0, place, 0], [0, len(encoder.in_shape_.categories[1]) + 1, 0])
    one, new = encoder.embed(x)
    torch.testing.assert_close(one, new)
    given = FusionClassifier(**FAST).fit(
        {"t": frame[~late]}, Y[~late], validation_data=held
    )
    assert "late" not in given.shapes_in_["t"].categories[1]


def test_partial_fit_keeps_the_categories_of_the_first_chunk():
    model = FusionClassifier(random_state=0)
    model.partial_fit({"t": X["t"]}, Y)
    known = model.shapes_in_["t"].categories
    model.partial_fit({"t": X["t"].assign(colour="pink")}, Y)
    assert model.shapes_in_["t"].categories == known


def test_each_fold_learns_its_own_categories():
    frame = X["t"].assign(colour=[f"c{i % 30}" for i in range(N)])
    folds = [(np.arange(60), np.arange(60, 90)), (np.arange(30, 90), np.arange(30))]
    model = FusionClassifier(max_epochs=2, random_state=0)
    scores = cross_val_score(model, ModalityDict({"t": frame}), Y, cv=folds)
    assert np.isfinite(scores).all()
    fitted = clone(model).fit({"t": frame[:10]}, Y[:10])
    assert len(fitted.shapes_in_["t"].categories[1]) == 10


def test_saved_and_pickled_models_predict_the_same(tmp_path):
    model = FusionClassifier(**FAST).fit(X, Y)
    skmm.save(model, tmp_path / "model.skmm")
    again = skmm.load(tmp_path / "model.skmm")
    test = {"t": table(7).assign(colour=["red", "new", None] * 30), "other": X["other"]}
    assert np.array_equal(again.predict_proba(test), model.predict_proba(test))
    assert again.shapes_in_["t"].categories == model.shapes_in_["t"].categories


def test_other_estimators_read_categories_too():
    for cls in (skmm.MulMixClassifier, skmm.NoHarmFusionClassifier):
        model = cls(max_epochs=2, random_state=0).fit(X, Y)
        assert np.isfinite(model.predict_proba(X)).all()


def test_a_missing_table_needs_no_categories():
    some = ModalityDict(X, present={"t": np.arange(N) > 20})
    model = FusionClassifier(**FAST).fit(some, Y)
    proba = model.predict_proba({"other": X["other"]})
    blank = some.with_missing("t")
    np.testing.assert_allclose(proba, model.predict_proba(blank), rtol=1e-6)


def test_an_array_in_place_of_the_table_is_refused():
    model = FusionClassifier(**FAST).fit(X, Y)
    with pytest.raises(TypeError, match=r"'t' was a DataFrame.*dense \(90, 3\)"):
        model.predict({"t": np.zeros((N, 3)), "other": X["other"]})


def test_encoders_of_numbers_refuse_categories_by_the_names_of_columns():
    message = r"encoders\['t'\]: MLPEncoder expects numbers.*\['colour', 'shape'\]"
    with pytest.raises(TypeError, match=message):
        FusionClassifier({"t": MLPEncoder()}).fit(X, Y)
    with pytest.raises(TypeError, match=r"Linear expects.*CategoricalEmbedding"):
        FusionClassifier({"t": torch.nn.Linear(3, 2)}).fit(X, Y)


def test_numbers_without_categories_are_refused():
    numbers = {"t": X["t"][["size"]]}
    with pytest.raises(ValueError, match=r"encoders\['t'\].*without any.*astype"):
        FusionClassifier({"t": CategoricalEmbedding()}).fit(numbers, Y)


def test_a_column_of_names_is_noticed():
    frame = X["t"].assign(colour=[f"sample {i}" for i in range(N)])
    with pytest.warns(UserWarning, match=r"column 'colour' has 90 categories in 90"):
        FusionClassifier(**FAST).fit({"t": frame}, Y)


@pytest.mark.parametrize("bad", [{"dim": 0}, {"dropout": 1}, {"scale": "no"}])
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        CategoricalEmbedding(**bad)._validate_params()
