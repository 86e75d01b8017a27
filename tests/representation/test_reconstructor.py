"""Reconstruction: parameter counts, targets, activations, codes, the way back."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skmm
from skmm import EncoderDecoderReconstructor, ModalityDict
from skmm.nn import ConvDecoder, ConvEncoder, HashedNGramEncoder, MLPDecoder, MLPEncoder
from skmm.preprocessing import Downscale, ModalityTransformer, TopRows

IMAGES = (load_digits().images[:240] / 16).astype(np.float32)
X = ModalityDict(top=IMAGES[:, :4], small=IMAGES[:, ::2, ::2])
FAST = {"max_epochs": 3, "batch_size": 16, "random_state": 0}
SMALL = {"hidden": (12, 5, 12), **FAST}
TABLE = np.random.default_rng(0).normal(3, 20, (240, 4))


def model(**params):
    return EncoderDecoderReconstructor(**{**SMALL, **params})


def learning(**params):
    return model(hidden=(32, 16, 32), max_epochs=30, lr=0.01, **params)


# -- the net of the thesis ---------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "counts"),
    [
        ((250, 128, 81, 128, 250), (478_357, 492_357, 342_357)),
        ((128, 81, 128), (222_561, 229_729, 152_929)),
    ],
)
def test_parameters_of_the_thesis(hidden, counts):
    for width, count in zip((784, 840, 240), counts, strict=True):
        parts = ModalityDict(a=np.zeros((4, width - 40)), b=np.zeros((4, 40)))
        net = EncoderDecoderReconstructor(hidden).prepare(parts, np.zeros((4, 28, 28)))
        assert sum(p.numel() for p in net.module.parameters()) == count


def test_better_than_the_mean_image():
    scores = cross_val_score(learning(), X, IMAGES, cv=3)
    assert (-scores < 0.75 * IMAGES.var(axis=0).mean()).all()


@pytest.mark.parametrize("hidden", [(12, 5, 12), (5, 5, 9), (4, 6), (9, 3)])
def test_code_is_the_first_narrowest_layer(hidden):
    fitted = model(hidden=hidden).fit(X, IMAGES)
    code = fitted.transform(X)
    assert code.shape == (240, min(hidden))
    assert len(fitted.get_feature_names_out()) == min(hidden)
    assert fitted.net_.module_.fusion.hidden == [
        *hidden[: hidden.index(min(hidden)) + 1]
    ]
    np.testing.assert_allclose(
        fitted.inverse_transform(code), fitted.predict(X), atol=1e-6
    )


def test_without_hidden_layers_embeddings_are_the_code():
    fitted = model(hidden=(), encoders=MLPEncoder((3,))).fit(X, IMAGES)
    embedded = fitted.embed(X)
    joined = np.concatenate([embedded["top"], embedded["small"]], axis=1)
    np.testing.assert_array_equal(fitted.transform(X), joined)


# -- targets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "y", [IMAGES, IMAGES.astype(float), TABLE, TABLE[:, 0], IMAGES[:, None]]
)
def test_shape_dtype_and_score(y):
    fitted = model().fit(X, y)
    found = fitted.predict(X)
    assert found.shape == y.shape
    assert found.dtype == y.dtype
    assert fitted.score(X, y) == pytest.approx(-np.mean((found - y) ** 2), rel=1e-5)


def test_score_weighs_rows():
    fitted, weight = model().fit(X, IMAGES), np.arange(240.0)
    rows = ((fitted.predict(X) - IMAGES) ** 2).mean((1, 2))
    expected = -np.average(rows, weights=weight)
    assert fitted.score(X, IMAGES, weight) == pytest.approx(expected, rel=1e-5)


def test_several_targets_at_once():
    y = {"image": IMAGES, "table": TABLE}
    fitted = learning().fit(X, y)
    assert fitted._target.activations == {"image": "sigmoid", "table": None}
    found = fitted.predict(X)
    assert isinstance(found, ModalityDict)
    assert found["image"].shape == IMAGES.shape
    assert found["table"].dtype == np.float64
    squares = [((found[name] - y[name]) ** 2).reshape(240, -1) for name in y]
    expected = -np.concatenate(squares, axis=1).mean()
    assert fitted.score(X, y) == pytest.approx(expected, rel=1e-5)
    assert -fitted.score(X, {"image": IMAGES, "table": TABLE}) < TABLE.var()
    again = fitted.inverse_transform(fitted.transform(X))
    np.testing.assert_allclose(again["table"], found["table"], rtol=1e-4)
    assert np.isfinite(cross_val_score(model(), X, ModalityDict(y), cv=2)).all()


def test_two_targets_train_as_one_of_the_same_values():
    # with the same number of values each, the mean over targets is that over values
    halves = {"a": IMAGES[:, :4], "b": IMAGES[:, 4:]}
    pair = model(random_state=1).prepare(X, halves)
    one = model(random_state=1).prepare(X, IMAGES)
    assert torch.equal(torch.cat([*pair.train[1].values()], 1), one.train[1])
    z = torch.randn(240, 64)
    by_name = dict(zip("ab", z.split(32, 1), strict=True))
    torch.testing.assert_close(
        _prepared(halves)._target.objective(by_name, pair.train[1]),
        _prepared(IMAGES)._target.objective(z, one.train[1]),
    )


def _prepared(y):
    fitted = model()
    fitted.prepare(X, y)
    return fitted


def test_target_in_X_is_that_of_y():
    full = X.assign(full=IMAGES)
    named = model(target="full").fit(full)
    other = model().fit(X, IMAGES)
    np.testing.assert_array_equal(named.predict(X), other.predict(X))
    np.testing.assert_array_equal(named.predict(full), other.predict(X))
    assert named.modalities_in_ == ["top", "small"]
    assert named.score(full) == other.score(X, IMAGES)
    assert np.isfinite(cross_val_score(named, full, cv=2)).all()


def test_target_is_an_input_only_if_it_is_named():
    full = X.assign(full=IMAGES)
    fitted = model(target="full", modalities=["full", "top"]).fit(full)
    assert fitted.modalities_in_ == ["full", "top"]
    with pytest.raises(ValueError, match="full"):
        fitted.predict(X)
    alone = model(target="full", modalities=["full"]).fit({"full": IMAGES})
    assert alone.predict({"full": IMAGES}).shape == IMAGES.shape


def test_several_targets_in_X():
    full = X.assign(full=IMAGES, table=TABLE)
    fitted = model(target=["full", "table"]).fit(full)
    assert list(fitted.predict(X)) == ["full", "table"]
    assert fitted.modalities_in_ == ["top", "small"]


def test_rows_without_a_target_are_left_out():
    rows, weight = np.arange(240) % 3 == 0, np.linspace(0.5, 2, 240)
    content = np.where(rows[:, None, None], np.nan, IMAGES)
    full = X.assign(full=content).with_missing("full", rows)
    fitted = model(target="full").fit(full, sample_weight=weight)
    other = model().fit(X[~rows], IMAGES[~rows], sample_weight=weight[~rows])
    np.testing.assert_array_equal(fitted.predict(X), other.predict(X))
    assert fitted.score(full) == other.score(X[~rows], IMAGES[~rows])
    by_name = model().fit(X, ModalityDict(full=content).with_missing("full", rows))
    assert by_name.predict(X)["full"].shape == IMAGES.shape
    with pytest.raises(ValueError, match="target is missing in all samples"):
        model(target="full").fit(full.with_missing("full"))


def test_in_a_pipeline_from_whole_images():
    whole = ModalityDict(top=IMAGES, small=IMAGES, full=IMAGES)
    parts = ModalityTransformer({"top": TopRows(4), "small": Downscale(2)})
    fitted = make_pipeline(parts, model(target="full")).fit(whole)
    assert fitted.predict(whole).shape == IMAGES.shape
    assert fitted.predict(whole.drop("full")).shape == IMAGES.shape


def test_scale_and_place_of_a_table_do_not_matter():
    a = learning().fit(X, TABLE).predict(X)
    b = learning().fit(X, 1e6 * TABLE - 1e7).predict(X)
    np.testing.assert_allclose((b + 1e7) / 1e6, a, rtol=0.02, atol=0.2)


# -- output activations ------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "chosen"), [(IMAGES, "sigmoid"), (2 * IMAGES, None), (IMAGES - 0.1, None)]
)
def test_auto_looks_at_the_target(y, chosen):
    fitted = model().fit(X, y)
    assert fitted._target.activations == {"y": chosen}
    same = model(output_activation=chosen).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), same.predict(X))


def test_range_of_each_activation():
    found = learning(output_activation="sigmoid").fit(X, IMAGES).predict(X)
    assert 0 <= found.min() < found.max() <= 1
    found = learning(output_activation=None).fit(X, IMAGES).predict(X)
    assert found.min() < 0


def test_relu_outputs_that_died_are_counted():
    y = np.where(np.arange(3) == 1, 0.0, [0.5, 0.0, 0.7]) * np.ones((240, 1))
    fitted = model(output_activation="relu", lr=1e-9)
    with pytest.warns(UserWarning, match=r"of 3 outputs are dead") as caught:
        for seed in range(6):  # starts below zero in some seeds
            fitted.set_params(random_state=seed).fit(X, y)
            dead = (fitted.predict(X) == 0).all(0) & [True, False, True]
            told = [int(str(w.message).split()[0]) for w in caught.list]
            assert sum(told) >= dead.sum()
            if dead.any():
                assert told[-1] == dead.sum()


def test_all_outputs_dead_cost_the_power_of_the_image():
    fitted = model(output_activation="relu", lr=1e-9)
    problem = fitted.prepare(X, IMAGES)
    with torch.no_grad():
        problem.module.head.targets["y"].predict.bias.fill_(-100)
    net = fitted.make_net(problem.module)
    with pytest.warns(UserWarning, match="outputs are dead"):
        fitted._train(net, problem, 1)
    assert (fitted.predict(X) == 0).all()
    assert fitted.score(X, IMAGES) == pytest.approx(-(IMAGES**2).mean(), rel=1e-5)


def test_cross_entropy_reconstructs_too():
    fitted = learning(loss="bce").fit(X, IMAGES)
    assert -fitted.score(X, IMAGES) < 0.5 * IMAGES.var(axis=0).mean()
    assert fitted.history_["train_loss"].iloc[-1] > 0  # that of probabilities


def test_epoch_loss_is_minus_the_score():
    for loss, power in (("mse", 1), ("rmse", 2)):
        fitted = model(loss=loss, batch_size=240, max_epochs=1, lr=1e-9)
        fitted.fit(X, IMAGES)
        value = fitted.history_["train_loss"].iloc[0] ** power
        assert value == pytest.approx(-fitted.score(X, IMAGES), rel=1e-4)


# -- convolutions ------------------------------------------------------------------


def test_convolutional_encoder_and_decoder():
    images = IMAGES[:, None]
    fitted = model(
        hidden=(16,),
        encoders={"top": ConvEncoder((4,), kernel_size=3, hidden=(20,))},
        decoder=ConvDecoder((8, 4), kernel_size=3),
        lr=0.01,
        max_epochs=15,
    ).fit({"top": images[:, :, :4], "small": X["small"]}, images)
    data = {"top": images[:, :, :4], "small": X["small"]}
    assert fitted.predict(data).shape == images.shape
    assert -fitted.score(data, images) < 0.6 * images.var(axis=0).mean()
    assert list(fitted.encoders_) == ["top", "small"]
    assert fitted.get_params()["encoders__top__channels"] == (4,)


def test_a_decoder_for_one_of_two_targets():
    y = {"image": IMAGES, "table": TABLE}
    fitted = model(decoder={"image": ConvDecoder((4,))}).fit(X, y)
    kinds = {n: type(part) for n, part in fitted.net_.module_.head.targets.items()}
    assert kinds == {"image": ConvDecoder, "table": MLPDecoder}
    deeper = fitted.set_params(decoder__image__channels=(6, 3)).fit(X, y)
    assert deeper.net_.module_.head.targets["image"].channels == (6, 3)


# -- going on, saving --------------------------------------------------------------


def test_epoch_by_epoch():
    whole, parts = model().fit(X, IMAGES), model()
    for _ in range(3):
        parts.partial_fit(X, IMAGES)
    np.testing.assert_allclose(parts.predict(X), whole.predict(X), atol=1e-6)
    warm = model(warm_start=True, max_epochs=1)
    for _ in range(3):
        warm.fit(X, IMAGES)
    np.testing.assert_allclose(warm.predict(X), whole.predict(X), atol=1e-6)
    with pytest.raises(ValueError, match="loss changed"):
        warm.set_params(loss="rmse").fit(X, IMAGES)


def test_later_values_must_fit_the_activation():
    fitted = model().partial_fit(X, IMAGES)
    with pytest.raises(ValueError, match="values from 0 to 2"):
        fitted.partial_fit(X, 2 * IMAGES)


def test_checkpoint_is_reached_and_removed(tmp_path):
    path = tmp_path / "fit.ckpt"
    fitted = model(checkpoint=path).fit(X, IMAGES)
    np.testing.assert_array_equal(fitted.predict(X), model().fit(X, IMAGES).predict(X))
    assert not path.exists()


@pytest.mark.parametrize(
    ("params", "y"),
    [
        ({}, IMAGES),
        ({"loss": "rmse", "early_stopping": True}, TABLE),
        ({"decoder": {"image": ConvDecoder((4,))}}, {"image": IMAGES, "t": TABLE}),
    ],
)
def test_saved_and_pickled(params, y, tmp_path):
    fitted = model(**params).fit(X, y)
    fitted.save(tmp_path / "model")
    loaded = skmm.load(tmp_path / "model")
    for other in (loaded, pickle.loads(pickle.dumps(fitted))):
        found, expected = other.predict(X), fitted.predict(X)
        assert found == expected if isinstance(y, dict) else (found == expected).all()
        assert other.score(X, y) == fitted.score(X, y)
    assert repr(loaded) == repr(fitted)
    if not fitted.early_stopping:
        fitted.partial_fit(X, y)
        assert loaded.partial_fit(X, y).score(X, y) == fitted.score(X, y)


def test_clone_and_html():
    original = model(decoder=ConvDecoder((4,)))
    assert repr(clone(original)) == repr(original)
    assert "EncoderDecoderReconstructor" in original._repr_html_()


# -- bad input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "y", "match"),
    [
        ({}, None, "requires y"),
        ({}, IMAGES[:-1], "240 and 239"),
        ({}, np.where(IMAGES > 0.9, np.nan, IMAGES), "NaN"),
        ({}, [np.zeros((8, 8)), *np.zeros((239, 4, 4))], r"\(4, 4\), \(8, 8\)"),
        ({}, {"a": IMAGES, "b": TABLE[1:]}, "'b'"),
        ({"output_activation": "sigmoid"}, 2 * IMAGES, "from 0 to 2"),
        ({"output_activation": "relu"}, IMAGES - 1, "from -1 to 0"),
        ({"loss": "bce"}, TABLE, r"in \[0, 1\]"),
        ({"loss": "bce", "output_activation": None}, IMAGES, "sigmoid"),
        ({"loss": "mae"}, IMAGES, "loss"),
        ({"hidden": (3, 0)}, IMAGES, "hidden"),
        ({"target": "top"}, IMAGES, "y must be None"),
        ({"target": "tip"}, None, "Did you mean 'top'"),
        ({"target": ["top", "small"]}, None, "only the target"),
        ({"decoder": {"y": ConvDecoder()}}, IMAGES, "y is one array"),
        ({"decoder": {"b": None}}, {"a": IMAGES}, "decoder"),
        ({"decoder": ConvDecoder((2,) * 9)}, IMAGES, "is too small for 9 layers"),
        ({"encoders": {"tip": None}}, IMAGES, "Did you mean 'top'"),
    ],
)
def test_bad_input(params, y, match):
    with pytest.raises(ValueError, match=match):
        model(**params).fit(X, y)


def test_text_gets_the_default_encoder():
    words = X.assign(word=["a"] * 240)
    fitted = model().set_params(max_epochs=1).fit(words, IMAGES)
    assert isinstance(fitted.encoders_["word"], HashedNGramEncoder)


def test_bad_codes_and_scores():
    with pytest.raises(NotFittedError):
        model().inverse_transform(np.zeros((2, 5)))
    fitted = model().fit(X, IMAGES)
    with pytest.raises(ValueError, match=r"5 column.*got 4"):
        fitted.inverse_transform(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="NaN"):
        fitted.inverse_transform(np.full((2, 5), np.nan))
    with pytest.raises(ValueError, match="shape"):
        fitted.score(X, TABLE)
    with pytest.raises(ValueError, match="requires y"):
        fitted.score(X)


def test_scores_of_several_targets_go_by_name():
    both = {"u": IMAGES, "v": IMAGES[:, :2]}
    fitted = model().fit(X, both)
    swapped = dict(reversed(both.items()))
    assert fitted.score(X, swapped) == pytest.approx(fitted.score(X, both))
    with pytest.raises(ValueError, match="y must have samples of shape"):
        fitted.score(X, {"u": IMAGES, "w": IMAGES[:, :2]})


def test_no_target_at_all():
    with pytest.raises(ValueError, match="target is empty"):
        model().set_params(target=[]).fit(X)
