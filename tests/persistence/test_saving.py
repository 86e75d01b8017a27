import json
import os
import pickle
import random
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save as save_tensors
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import EpochScoring
from torch import nn

import skmm
from skmm import (
    FusionClassifier,
    FusionRegressor,
    LateFusionClassifier,
    LateFusionRegressor,
)
from skmm.model_selection import fit_replicas
from skmm.nn import (
    Block,
    ConcatFusion,
    ConvEncoder,
    Flatten,
    MeanFusion,
    MLPEncoder,
    MLPHead,
)
from skmm.nn.block import built_clone
from skmm.objectives import CrossEntropy, WeightedSum
from skmm.persistence import files
from skmm.training import history_frame
from skmm.utils._checking import make_data
from skmm.utils._checking import predictions as answers
from tests.test_common import DEFAULTS, QUICK
from tests.toys import (
    MeanEmbedding,
    Normed,
    Ridge,
    assert_same_state,
    state_of,
    two_tables,
    with_holes,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def classifier(encoders=None, **params):
    params = {"max_epochs": 2, "random_state": 0, "lr": 0.01, **params}
    return FusionClassifier(encoders, **params)


def regressor(**params):
    return FusionRegressor(**{"max_epochs": 2, "random_state": 0, "lr": 0.01, **params})


def again(model, path, classes=()):
    model.save(path)
    return skmm.load(path, classes=classes)


HOLDERS = {"net_", "estimators_", "unimodal_", "fused_"}


def assert_equal_models(a, b):
    """Same class, parameters, fitted attributes and nets."""
    assert type(a) is type(b)
    assert repr(a.get_params(deep=False)) == repr(b.get_params(deep=False))
    mine, other = vars(a), vars(b)
    assert list(mine) == list(other)
    for name in mine.keys() - {*HOLDERS, *a.get_params(deep=False)}:
        assert type(mine[name]) is type(other[name]), name
        assert repr(mine[name]) == repr(other[name]), name
    for mine, other in zip(nets(a), nets(b), strict=True):
        assert repr(mine.module_) == repr(other.module_)
        assert_same_state(state_of(mine.module_), state_of(other.module_))
        frames = history_frame(mine.history), history_frame(other.history)
        pd.testing.assert_frame_equal(*frames)
        assert mine.history == other.history


def nets(model):
    if hasattr(model, "net_"):
        return [model.net_]
    held = getattr(model, "estimators_", None) or [*model.unimodal_.values()]
    held = [*held.values()] if isinstance(held, dict) else [*held, model.fused_]
    flat = [m for part in held for m in (part if isinstance(part, list) else [part])]
    return [net for member in flat for net in nets(member)]


# -- the round trip ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", [*QUICK, *DEFAULTS], ids=repr)
def test_round_trip_of_every_estimator(estimator, path):
    X, y = make_data(estimator)
    X = X.with_missing("table", slice(0, None, 3))
    model = clone(estimator).fit(X, y)
    loaded = again(model, path)
    assert_equal_models(loaded, model)
    assert not any(net.module_.training for net in nets(loaded))
    np.testing.assert_array_equal(answers(loaded, X), answers(model, X))
    for method in ("predict", "transform", "decision_function"):
        if hasattr(model, method):
            assert np.all(getattr(loaded, method)(X) == getattr(model, method)(X))
    if hasattr(model, "embed"):
        for name, out in model.embed(X).items():
            np.testing.assert_array_equal(loaded.embed(X)[name], out)


@pytest.mark.parametrize("estimator", QUICK, ids=repr)
def test_a_loaded_model_can_be_saved_pickled_and_cloned(estimator, path):
    X, y = make_data(estimator)
    model = clone(estimator).fit(X, y)
    loaded = again(model, path)
    first = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == first
    pickled = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(answers(pickled, X), answers(model, X))
    refit = clone(loaded).fit(X, y)
    np.testing.assert_array_equal(answers(refit, X), answers(model, X))


LABELS = {
    "str": np.array(["no", "yés", "maybe"]),
    "object": np.array(["no", "yés", "maybe"], dtype=object),
    "int": np.array([-4, 9, 10]),
    "int8": np.array([-4, 9, 10], dtype=np.int8),
    "float": np.array([0.0, 1.0, 7.0]),
    "bool": np.array([False, True]),
}


@pytest.mark.parametrize("make", [classifier, LateFusionClassifier])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_every_kind(labels, make, path):
    X, y = two_tables(classes=len(labels))
    model = make().fit(X, labels[y])
    loaded = again(model, path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert loaded.predict(X).tolist() == model.predict(X).tolist()


def test_multilabel(path):
    X, _ = two_tables()
    y = np.column_stack([X["a"][:, 0] > 0, X["b"][:, 0] > 0, X["b"][:, 1] > 0])
    model = classifier().fit(X, y.astype(int))
    np.testing.assert_array_equal(
        again(model, path).predict_proba(X), model.predict_proba(X)
    )


@pytest.mark.parametrize("make", [regressor, LateFusionRegressor])
@pytest.mark.parametrize("columns", [None, 1, 3])
def test_values_in_their_units(make, columns, path):
    X, _ = two_tables()
    y = 1e3 * X["a"][:, 0] + 5
    y = y if columns is None else np.column_stack([y * k for k in range(columns)])
    model = make().fit(X, y)
    loaded = again(model, path).predict(X)
    np.testing.assert_array_equal(loaded, model.predict(X))
    assert loaded.shape == y.shape


DATA = {
    "plain table": lambda X: np.hstack([X["a"], X["b"]]),
    "frames": lambda X: {n: pd.DataFrame(X[n]).add_prefix("c") for n in X},
    "holes": with_holes,
    "odd names": lambda X: {"a.b": X["a"], "$": X["b"], "é%/": X["a"][:, :1]},
}


@pytest.mark.parametrize("change", DATA.values(), ids=DATA)
def test_attributes_of_the_data(change, path):
    X, y = two_tables()
    X = change(X)
    model = classifier().fit(X, y)
    loaded = again(model, path)
    assert_equal_models(loaded, model)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_names_with_the_same_key(path):
    X, y = two_tables()
    X = {"a": X["a"], "a.layers": X["b"]}
    given = {
        "a": nn.Sequential(nn.Linear(3, 4)),
        "a.0": nn.Linear(5, 4),
    }
    X = {"a": X["a"], "a.0": X["a.layers"]}
    model = classifier(given).fit(X, y)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


PARAMS = {
    "blocks": {
        "encoders": {"a": MLPEncoder((6, 4), dropout=0.2), "b": None},
        "fusion": ConcatFusion(hidden=(7,), activation="tanh"),
        "head": MLPHead((), activation="gelu"),
    },
    "lists": {"encoders": MLPEncoder([8]), "fusion": MeanFusion(), "modalities": ["a"]},
    "objective": {"objective": CrossEntropy(label_smoothing=0.1)},
    "sum": {"objective": WeightedSum([("cross_entropy", 1.0), (CrossEntropy(0.2), 2)])},
    "numpy numbers": {"lr": np.float32(0.01), "batch_size": np.int64(7)},
    "numpy array": {"modalities": np.array(["b", "a"])},
    "class weights": {"class_weight": {0: 1.0, 1: np.float64(2.5)}},
    "optimizer": {"optimizer": torch.optim.Adamax},
    "partial": {"optimizer": partial(torch.optim.SGD, momentum=0.9, weight_decay=0.1)},
    "random state": {"random_state": np.random.RandomState(3)},
    "device": {"device": torch.device("cpu")},
    "early": {"early_stopping": True, "validation_fraction": 0.4, "patience": 1},
    "unused": {"encoders": {"a": Flatten(), "b": MLPEncoder()}, "modalities": ["a"]},
}


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_parameters(params, path):
    X, y = two_tables()
    model = classifier(**params).fit(X, y)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    for name, value in model.get_params().items():
        other = loaded.get_params()[name]
        assert type(other) is type(value), name
        assert isinstance(value, np.random.RandomState) or repr(other) == repr(value)
    a, b = (m.set_params(lr=0.02).fit(X, y).predict_proba(X) for m in (loaded, model))
    np.testing.assert_array_equal(a, b)


def test_parameters_changed_after_the_fit(path):
    X, y = two_tables()
    model = classifier(MLPEncoder((4,))).fit(X, y)
    model.set_params(encoders__activation="tanh", fusion="sum", optimizer="sgd", lr=9.0)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert (loaded.fusion, loaded.lr, loaded.net_.lr) == ("sum", 9.0, 0.01)
    same = {"encoders__activation": "relu", "fusion": "concat", "lr": 0.1}
    a, b = (
        m.set_params(**same).partial_fit(X, y).predict_proba(X) for m in (loaded, model)
    )
    np.testing.assert_array_equal(a, b)


def test_images_and_batch_norm(path):
    rng = np.random.default_rng(0)
    X = {"image": rng.normal(size=(20, 1, 6, 6)), "table": rng.normal(size=(20, 4))}
    given = {"image": ConvEncoder((3,), hidden=(5,)), "table": Normed()}
    model = classifier(given).fit(X, np.arange(20) % 2)
    loaded = again(model, path, classes=[Normed])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


# -- pretrained parts --------------------------------------------------------------


def test_a_built_block_keeps_its_weights_as_template(path):
    X, y = two_tables()
    encoder, head = MLPEncoder((4,)).build((3,)), MLPHead(()).build((8, 2))
    fusion = ConcatFusion((8,)).build({"a": 4, "b": 64})
    encoder.layers[0].bias.requires_grad_(False)
    model = classifier({"a": encoder}, fusion=fusion, head=head).fit(X, y)
    loaded = again(model, path)
    assert_same_state(state_of(loaded.encoders["a"]), state_of(encoder))
    assert_same_state(state_of(loaded.head), state_of(head))
    assert loaded.encoders["a"].is_built
    for block in (loaded.encoders["a"], loaded.net_.module_.encoders["a"]):
        assert [p.requires_grad for p in block.parameters()] == [True, False]
    refit = clone(loaded).fit(X, y)
    np.testing.assert_array_equal(refit.predict_proba(X), model.predict_proba(X))


class Twice(Block):
    """A block in a block."""

    def __init__(self, inner=None):
        super().__init__()
        self.inner = inner

    def build(self, in_shape):
        inner = MLPEncoder((4,)) if self.inner is None else self.inner
        self.first = built_clone(inner, in_shape)
        self.out_features = self.first.out_features
        return self

    def forward(self, x):
        return 2 * self.first(x)


class OneMore(Ridge):
    """A block whose parent is built for something else."""

    def build(self, in_shape):
        return super().build((in_shape[0] + 1,))

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 1)))


@pytest.mark.parametrize("build", [False, True])
def test_blocks_in_blocks(build, path):
    X, y = two_tables()
    inner = MLPEncoder((5,)).build((3,)) if build else MLPEncoder((5,))
    model = classifier({"a": Twice(inner)}).fit(X, y)
    loaded = again(model, path, classes=[Twice])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.encoders["a"].inner.is_built == build


def test_in_shape_of_a_built_block():
    assert MLPEncoder((4,)).build((3, 2)).in_shape_ == (3, 2)
    assert Twice().build((3,)).in_shape_ == (3,)
    assert OneMore().build((3,)).in_shape_ == (3,)
    assert clone(MLPEncoder((4,)).build((3,))).in_shape_ == (3,)
    assert not hasattr(MLPEncoder(), "in_shape_")


LAYERS = [
    (nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)), (6,)),
    (nn.Sequential(nn.Flatten(), nn.Sequential(nn.LazyLinear(3))), (2, 3)),
    (
        nn.Sequential(
            nn.Unflatten(1, (1, 9, 8)),
            nn.Conv2d(1, 4, (3, 1), stride=2, padding="valid", bias=False),
            nn.BatchNorm2d(4, momentum=0.2),
            nn.LeakyReLU(0.3),
            nn.Conv2d(4, 4, 3, padding=1, groups=2, padding_mode="reflect"),
            nn.GroupNorm(2, 4),
            nn.PReLU(4),
            nn.MaxPool2d(2, stride=1, padding=1, ceil_mode=True),
            nn.AvgPool2d(2, 1, count_include_pad=False),
            nn.AdaptiveAvgPool2d((1, None)),
            nn.Dropout2d(0.3),
            nn.Flatten(),
            nn.LazyLinear(3),
            nn.BatchNorm1d(3, affine=False),
        ),
        (72,),
    ),
    (
        nn.Sequential(
            nn.Conv1d(2, 3, 2, dilation=2),
            nn.Softplus(2.0, 10.0),
            nn.LayerNorm((3, 6), eps=1e-3, bias=False),
            nn.MaxPool1d(2),
            nn.Flatten(1, -1),
            nn.Softmax(dim=1),
            nn.GELU("tanh"),
            nn.CELU(0.4),
        ),
        (2, 8),
    ),
    (nn.Linear(5, 3), (5,)),
]


@pytest.mark.parametrize(("encoder", "shape"), LAYERS, ids=lambda p: type(p).__name__)
def test_layers_of_torch(encoder, shape, path):
    rng = np.random.default_rng(0)
    X, y = {"a": rng.normal(size=(24, *shape))}, np.arange(24) % 2
    model = classifier({"a": encoder}).fit(X, y)
    loaded = again(model, path)
    assert repr(loaded.encoders) == repr(model.encoders)
    assert_equal_models(loaded, model)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    a, b = (clone(m).fit(X, y).predict_proba(X) for m in (loaded, model))
    np.testing.assert_array_equal(a, b)


# -- classes of the user -----------------------------------------------------------


class OwnEntropy(CrossEntropy):
    """An objective of the user."""


class OwnModule(nn.Module):
    """A plain module that stores its argument."""

    def __init__(self, width=4):
        super().__init__()
        self.width = width
        self.linear = nn.Linear(3, width)

    def forward(self, x):
        return self.linear(x)


class Forgetful(OwnModule):
    """A plain module that does not store its argument."""

    def __init__(self, wide):
        super().__init__(wide)


class Liar(OwnModule):
    """A plain module that stores another value under its argument's name."""

    def __init__(self, factor):
        super().__init__()
        self.factor = 2 * factor

    def forward(self, x):
        return self.factor * super().forward(x)


class OwnSGD(torch.optim.SGD):
    """An optimizer of the user."""


class OwnEstimator(FusionClassifier):
    """An estimator of the user."""


class ClassTarget(skmm.targets.ClassTarget):
    """A target of the user, with the name of one of ours."""

    def decode(self, outputs):
        return super().decode(-outputs)


class WithOwnTarget(FusionClassifier):
    """An estimator of the user with a target of the user."""

    _target_class = ClassTarget


OWN = {
    "block": (lambda: classifier({"a": Ridge(3, strength=0.5)}), Ridge),
    "module": (lambda: classifier({"a": OwnModule(5)}), OwnModule),
    "nested": (lambda: classifier({"a": nn.Sequential(OwnModule(5))}), OwnModule),
    "objective": (lambda: classifier(objective=OwnEntropy(0.1)), OwnEntropy),
    "optimizer": (lambda: classifier(optimizer=OwnSGD), OwnSGD),
    "estimator": (lambda: OwnEstimator(max_epochs=1), OwnEstimator),
    "member": (lambda: LateFusionClassifier(OwnEstimator(max_epochs=1)), OwnEstimator),
}


@pytest.mark.parametrize(("make", "cls"), OWN.values(), ids=OWN)
def test_classes_of_the_user_are_restored_only_if_passed(make, cls, path):
    X, y = two_tables()
    model = make().fit(X, y)
    loaded = again(model, path, classes=[cls])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    for classes in ([], [MeanEmbedding]):
        with pytest.raises(ValueError, match=rf"classes=\[{cls.__name__}\]"):
            skmm.load(path, classes=classes)


def test_a_target_of_the_user_is_restored_only_if_passed(path):
    X, y = two_tables()
    model = WithOwnTarget(max_epochs=1).fit(X, y)
    loaded = again(model, path, classes=[WithOwnTarget, ClassTarget])
    assert type(loaded._target) is ClassTarget
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(ValueError, match=r"classes=\[ClassTarget\]"):
        skmm.load(path, classes=[WithOwnTarget])


@pytest.mark.parametrize("classes", [[], [ClassTarget]])
def test_a_target_of_the_user_does_not_shadow_ours(classes, path):
    X, y = two_tables()
    loaded = again(classifier().fit(X, y), path, classes=classes)
    assert type(loaded._target) is skmm.targets.ClassTarget
    entry, _ = files.from_bytes(path.read_bytes())
    target = entry["content"]["value"]["attributes"]["_target"]
    assert target["value"]["class"] == "ClassTarget"  # as in older files


def test_text_through_an_own_block(path):
    X, y = two_tables()
    X = {"a": X["a"], "text": ["xyz"[: 1 + k % 3] for k in range(40)]}
    model = classifier({"text": MeanEmbedding()}).fit(X, y)
    loaded = again(model, path, classes=(MeanEmbedding,))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_invalid_classes():
    with pytest.raises(TypeError, match=r"classes must be a list; pass \[Ridge"):
        skmm.persistence.class_registry.ClassRegistry(Ridge)
    for wrong in (os.system, "Ridge", int, subprocess.Popen):
        with pytest.raises(TypeError, match="classes must be classes of Blocks"):
            skmm.persistence.class_registry.ClassRegistry([wrong])
    other = type("Ridge", (Block,), {})
    with pytest.raises(ValueError, match="must have different names"):
        skmm.persistence.class_registry.ClassRegistry([Ridge, other])


def test_a_class_of_the_user_does_not_shadow_ours(path):
    X, y = two_tables()
    model = classifier(MLPEncoder((4,))).fit(X, y)
    fake = type("MLPEncoder", (Ridge,), {})
    loaded = again(model, path, classes=[fake])
    assert type(loaded.encoders) is MLPEncoder


# -- what cannot be saved ----------------------------------------------------------


def my_objective(outputs, target, weight):
    return outputs.square().mean()


UNSUPPORTED = {
    "callbacks": ({"callbacks": [EpochScoring("accuracy")]}, "callbacks=None"),
    "function": ({"objective": my_objective}, "objective cannot be saved.*subclass"),
    "factory": ({"optimizer": lambda p, lr: torch.optim.SGD(p, lr)}, "optimizer canno"),
    "changed": ({"encoders": {"a": Liar(0.5)}}, "predictions of a copy.* differ"),
}


@pytest.mark.parametrize(("params", "message"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_error_for_an_unsupported_parameter(params, message, path):
    X, y = two_tables()
    model = classifier(**params)
    if "callbacks" in params:  # scoring would want skorch's own loop over data
        model.set_params(callbacks=None).fit(X, y).set_params(**params)
    else:
        model.fit(X, y)
    with pytest.raises(TypeError, match=message):
        model.save(path)
    assert not list(path.parent.iterdir())


def test_error_for_members_with_trees(path):
    X, y = two_tables()
    given = {"b": DecisionTreeClassifier()}
    for members in (given, DecisionTreeClassifier()):
        model = LateFusionClassifier(members).fit(X, y)
        with pytest.raises(TypeError, match=r"estimators(.b)? cannot be.*DecisionTree"):
            model.save(path)


class Star(nn.Module):
    """A plain module with any number of arguments."""

    def __init__(self, *widths):
        super().__init__()
        sizes = zip((3, *widths), widths, strict=False)
        self.layers = nn.Sequential(*[nn.Linear(a, b) for a, b in sizes])

    def forward(self, x):
        return self.layers(x)


class Layers(nn.Sequential):
    """A Sequential of the user."""


class Wrapped(nn.Module):
    """A plain module that stores another one."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class OnlyKeywords(Star):
    """A plain module with any keywords."""

    def __init__(self, **settings):
        super().__init__(settings["width"])


OPAQUE = {
    "forgetful": lambda: Forgetful(4),
    "arguments": lambda: Star(5, 4),
    "sequential": lambda: Layers(nn.Linear(3, 4), nn.BatchNorm1d(4)),
    "keywords": lambda: OnlyKeywords(width=6),
}


@pytest.mark.parametrize("make", OPAQUE.values(), ids=OPAQUE)
def test_modules_that_cannot_be_replayed_come_from_a_factory(make, path):
    X, y = two_tables()
    given = {"a": make()}
    next(given["a"].parameters()).requires_grad_(False)
    model = classifier(given).fit(X, y)
    model.save(path)
    kind = type(given["a"]).__name__
    with pytest.raises(ValueError, match=rf"'a', a {kind},.*modules=.*'a': make"):
        skmm.load(path)
    for modules in ({"a": make}, make, {"a": make()}):
        loaded = skmm.load(path, modules=modules)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert_same_state(state_of(loaded.encoders["a"]), state_of(given["a"]))
        weight = next(loaded.net_.module_.encoders["a"].parameters())
        assert not weight.requires_grad
    a, b = (m.partial_fit(X, y).predict_proba(X) for m in (loaded, model))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"modules\['a'\] is another module"):
        skmm.load(path, modules={"a": lambda: Star(7)})
    with pytest.raises(ValueError, match=r"modules\['a'\] returned 3"):
        skmm.load(path, modules={"a": lambda: 3})
    with pytest.raises(ValueError, match=r"no module of the name 'b'"):
        skmm.load(path, modules={"a": make, "b": make})


def test_factories_of_parts_of_modules_and_of_members(path):
    X, y = two_tables()
    inner = nn.Sequential(nn.Linear(3, 3), Forgetful(4))
    model = classifier({"a": inner}).fit(X, y)
    model.save(path)
    with pytest.raises(ValueError, match=r"modules=\{'a\.1': make"):
        skmm.load(path)
    loaded = skmm.load(path, modules={"a.1": lambda: Forgetful(4)})
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    late = LateFusionClassifier({"a": classifier({"a": Star(4)})}).fit(X, y)
    late.save(path)
    loaded = skmm.load(path, modules={"a": lambda: Star(4)})
    np.testing.assert_array_equal(loaded.predict_proba(X), late.predict_proba(X))


REPLAYED = {
    "hardtanh": nn.Sequential(nn.Linear(3, 4), nn.Hardtanh(-0.5, 0.3), nn.ReLU6()),
    "wrapped": Wrapped(nn.Sequential(nn.Linear(3, 4), nn.Tanh())),
    "wrapped twice": Wrapped(Wrapped(nn.Linear(3, 2))),
}


@pytest.mark.parametrize("module", REPLAYED.values(), ids=REPLAYED)
def test_modules_that_are_replayed(module, path):
    X, y = two_tables()
    model = classifier({"a": module}).fit(X, y)
    loaded = again(model, path, classes=[Wrapped])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 5}, "classes must be a list of classes; got 5"),
        ({"classes": "Own"}, "classes must be a list of classes; got 'Own'"),
        ({"classes": [5]}, "classes must be classes of Blocks.*got 5"),
        ({"modules": 5}, "modules must be a dict .* got 5"),
        ({"modules": {"a": 5}}, "modules must be a dict .* got {'a': 5}"),
        ({"path": 5}, "path must be a str or path-like; got 5"),
    ],
)
def test_wrong_arguments_of_load_are_named(arguments, message, path):
    X, y = two_tables()
    classifier().fit(X, y).save(path)
    with pytest.raises(TypeError, match=message):
        skmm.load(**{"path": path, **arguments})


class Unsaved(Ridge):
    """Has an attribute that is not a parameter, weight or buffer."""

    factor = 1.0

    def forward(self, x):
        return self.factor * super().forward(x)


def test_error_for_a_block_with_hidden_state(path):
    X, y = two_tables()
    block = Unsaved().build((3,))
    block.factor = 3.0
    model = classifier({"a": block}).fit(X, y)
    with pytest.raises(TypeError, match=r"predictions of a copy.* differ. A Block"):
        model.save(path)


class Complex(Ridge):
    """Has a buffer that safetensors cannot store."""

    def build(self, in_shape):
        self.register_buffer("phase", torch.ones(2, dtype=torch.complex128))
        return super().build(in_shape)


def test_error_for_a_dtype_that_safetensors_does_not_support(path):
    X, y = two_tables()
    model = classifier({"a": Complex()}).fit(X, y)
    with pytest.raises(TypeError, match=r"cannot store a tensor.*complex128"):
        model.save(path)


@pytest.mark.parametrize("estimator", DEFAULTS, ids=repr)
def test_before_fit(estimator, path):
    with pytest.raises(NotFittedError):
        estimator.save(path)
    assert not path.exists()


# -- continued training -----------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", torch.optim.LBFGS])
@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
def test_training_continues_after_loading(way, optimizer, path):
    X, y = two_tables()
    model = classifier(
        MLPEncoder((8,), dropout=0.3), optimizer=optimizer, warm_start=True
    ).fit(X, y)
    loaded = again(model, path)
    for each in (model, loaded):
        each.partial_fit(X, y) if way == "partial_fit" else each.fit(X, y)
    assert_same_state(state_of(model.net_.module_), state_of(loaded.net_.module_))
    assert loaded.n_iter_ == model.n_iter_ > 2
    columns = ["epoch", "train_loss"]
    assert loaded.history_[columns].equals(model.history_[columns])


def test_training_of_a_replica_continues(path):
    X, y = two_tables()
    rows = [np.arange(0, 40, 2), np.arange(30)]
    model = fit_replicas(classifier(), X, y, rows)[1]
    loaded = again(model, path)
    a, b = (m.partial_fit(X, y).predict_proba(X) for m in (model, loaded))
    np.testing.assert_array_equal(a, b)


def test_training_with_early_stopping_continues(path):
    X, y = two_tables()
    model = classifier(early_stopping=True, warm_start=True, patience=2).fit(X, y)
    loaded = again(model, path)
    a, b = (m.fit(X, y).predict_proba(X) for m in (model, loaded))
    np.testing.assert_array_equal(a, b)


# -- devices, state, processes -----------------------------------------------------


def test_a_device_that_is_not_available(path):
    if torch.cuda.is_available():
        pytest.skip("CUDA is available")
    X, y = two_tables()
    model = classifier().fit(X, y).set_params(device="cuda:0")
    loaded = again(model, path)
    assert loaded.device == "cuda:0"
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    loaded.set_params(device="cpu").partial_fit(X, y)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_from_one_device_to_another(path):
    X, y = two_tables()
    model = classifier(device="cuda").fit(X, y)
    loaded = again(model, path)
    assert next(loaded.net_.module_.parameters()).is_cuda
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    a, b = (m.partial_fit(X, y).predict_proba(X) for m in (model, loaded))
    np.testing.assert_allclose(a, b, atol=1e-6)
    script = (
        "import skmm, sys, torch; m = skmm.load(sys.argv[1]);"
        "print(next(m.net_.module_.parameters()).device)"
    )
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    assert run(script, path, env=hidden).stdout.strip() == "cpu"


def run(script, *arguments, **options):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, **options
    )


def test_no_random_generator_moves_and_nothing_is_imported(path):
    X, y = two_tables()
    model = classifier(nn.Sequential(nn.LazyLinear(4), nn.Dropout())).fit(X, y)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    model.save(path)
    modules = set(sys.modules)
    skmm.load(path)
    assert set(sys.modules) == modules
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_a_fresh_process_predicts_the_same(path):
    X, y = two_tables()
    model = LateFusionClassifier(classifier(MLPEncoder((8,), dropout=0.2))).fit(X, y)
    model.save(path)
    np.savez(path.with_suffix(".npz"), a=X["a"], b=X["b"])
    script = (
        "import sys, numpy as np, skmm; X = np.load(sys.argv[2]);"
        "X = {n: X[n] for n in 'ab'}; p = skmm.load(sys.argv[1]).predict_proba(X);"
        "np.save(sys.argv[3], p); print([m for m in sys.modules if m[:5] == 'tests'])"
    )
    out = path.with_suffix(".npy")
    done = run(script, path, path.with_suffix(".npz"), out)
    np.testing.assert_array_equal(np.load(out), model.predict_proba(X))
    assert done.stdout.strip() == "[]"


# -- the file ----------------------------------------------------------------------


@pytest.fixture
def saved(path):
    X, y = two_tables()
    classifier({"a": MLPEncoder((4,)).build((3,))}).fit(X, y).save(path)
    return path


def test_safetensors_reads_the_weights(saved):
    loaded = skmm.load(saved)
    with safe_open(saved, "pt") as file:
        weight = file.get_tensor("net_.parts.encoders.a.layers.0.weight")
    own = loaded.net_.module_.encoders["a"].layers[0].weight
    assert torch.equal(weight, own)


def test_the_same_model_is_the_same_file(saved, tmp_path):
    other = tmp_path / "other"
    skmm.load(saved).save(str(other))
    assert other.read_bytes() == saved.read_bytes()


def assert_load_fails(path, data, message):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^cannot load {re.escape(str(path))}: ") as e:
        skmm.load(path)
    assert re.search(message, str(e.value)), str(e.value)


def torch_file(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "torch.pt")
    return (tmp_path / "torch.pt").read_bytes()


FOREIGN = {
    "nothing": (lambda p: b"", "only 0 bytes"),
    "a little": (lambda p: b"abc", "only 3 bytes"),
    "random": (lambda p: random.Random(0).randbytes(5000), "of unknown type"),
    "pickle": (lambda p: pickle.dumps(classifier()), "a pickle"),
    "old pickle": (lambda p: pickle.dumps(classifier(), 0), "begins with b'c"),
    "torch": (torch_file, "zip archive, such as torch.save"),
    "text": (lambda p: b"a,b\n1,2\n3,4\n", "of unknown type"),
    "json": (lambda p: b'{"a": 1, "b": 2, "c": 3}', "of unknown type"),
    "weights": (lambda p: save_tensors({"a": torch.ones(1)}), "not saved by skmm"),
    "other": (lambda p: save_tensors({}, {"format": "pt"}), "not saved by skmm"),
    "no dict": (lambda p: (8).to_bytes(8, "little") + b"{[[]]}  ", "header cannot"),
    "wrong entry": (lambda p: save_tensors({}, {"skmm": "[]"}), "cannot be read"),
}


@pytest.mark.parametrize(("make", "message"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_files(make, message, path):
    assert_load_fails(path, make(path.parent), message)


def test_truncated_files(saved):
    data = saved.read_bytes()
    for stop in [*range(0, 12), *range(12, len(data), 97), len(data) - 1]:
        assert_load_fails(saved, data[:stop], "bytes|damaged")
    assert_load_fails(saved, data + b"\0", "damaged")


def test_flipped_bits(saved):
    data = saved.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    places = [*range(150), *range(150, len(data), 89), header - 1, header, -1]
    for k, place in enumerate(places):
        flipped = bytearray(data)
        flipped[place] ^= 1 << k % 8
        assert_load_fails(saved, bytes(flipped), "")


def forged(path, change):
    """Bytes of a file with changed content and a correct checksum."""
    entry, tensors = files.from_bytes(path.read_bytes())
    text = json.dumps(entry["content"])
    content = json.loads(change(text)) if callable(change) else change
    return files.to_bytes(content, tensors)


def test_forged_files_without_changes_load(saved):
    saved.write_bytes(forged(saved, lambda text: text))
    skmm.load(saved)


def test_a_newer_format(saved, monkeypatch):
    monkeypatch.setattr(files, "FORMAT", files.FORMAT + 1)
    monkeypatch.setattr(skmm, "__version__", "9.9")
    entry, tensors = files.from_bytes(saved.read_bytes())
    data = files.to_bytes(entry["content"], tensors)
    monkeypatch.undo()
    assert_load_fails(saved, data, r"has format \d+, written by skmm .*update")


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os:system",
        "builtins.eval",
        "skmm.load",
        "skmm.restrict",
        "skmm.nn.encoders",
        "skmm.ModalityDict",
        "skmm.persistence.saving.Fitted",
        "sklearn.pipeline.Pipeline",
        "torch.nn.Module",
        "torch.load",
        "__main__:Own",
    ],
)
def test_other_classes_are_neither_imported_nor_called(name, saved, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *args, **kwargs: pytest.fail("called"))
    for ours in ("skmm.FusionClassifier", "skmm.nn.MLPEncoder", "skmm.nn.MLPHead"):
        data = forged(saved, lambda text, ours=ours: text.replace(ours, name))
        modules, path = set(sys.modules), saved.with_name("forged")
        assert_load_fails(path, data, "unknown class|not part of|wrong place")
        assert set(sys.modules) == modules


FORGED = {
    "another target": ('"class": "ClassTarget"', '"class": "MLPHead"', "unknown class"),
    "another class": ('"skmm.FusionClassifier"', '"skmm.nn.MLPHead"', "wrong place"),
    "an unknown kind": ('"$": "tuple"', '"$": "code"', "unknown kind 'code'"),
    "a parameter": ('"batch_size"', '"bath_size"', "does not match.*bath_size"),
    "a method": ('"n_iter_"', '"predict"', "it sets .'predict'"),
    "a class": ('"n_iter_"', '"__class__"', "it sets .'__class__'"),
    "a key": ('"net_.parts.head.predict.bias"', '"nowhere"', "does not match.*nowhere"),
    "a weight": ('"predict.bias": ', '"predict.b": ', "does not match.*predict.b"),
    "a shape": ('.head.predict.bias"', '.head.layers.0.bias"', "size mismatch"),
    "no net": ('"net_": ', '"net": ', "does not match.*net_"),
    "a setting": ('"weight_decay": 0.0, "lr', '"make_net": 1, "lr', "invalid settings"),
    "settings": ('"settings": {', '"settings": null, "other": {', "does not match"),
    "an optimizer": ('"optimizer": "adam"', '"optimizer": "eve"', "does not match"),
    "an objective": ('"skmm.objectives.CrossEntropy"', '"skmm.nn.MLPHead"', ""),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), FORGED.values(), ids=FORGED)
def test_forged_content(old, new, message, saved):
    data = forged(saved, lambda text: text.replace(old, new))
    assert_load_fails(saved, data, message)


FORGED_SIZES = [
    ('"hidden": {"$": "tuple", "value": [4]}', "[40000, 40000, 40000]"),
    ('"in_shape": {"$": "tuple", "value": [3]}', "[4000000000]"),
]


@pytest.mark.parametrize(("old", "sizes"), FORGED_SIZES)
def test_forged_sizes_take_no_memory(old, sizes, saved, monkeypatch):
    data = forged(
        saved, lambda text: text.replace(old, old.split("[")[0] + sizes + "}")
    )
    built = []
    original = nn.Linear.__init__

    def linear(self, *args, **kwargs):
        original(self, *args, **kwargs)
        built.append(self.weight.is_meta or self.weight.numel() < 1e6)

    monkeypatch.setattr(nn.Linear, "__init__", linear)
    assert_load_fails(saved, data, "does not match|mismatch")
    assert built and all(built)


@pytest.mark.parametrize("content", [None, 1, [], {}, "skmm", {"$": "fitted"}])
def test_content_that_is_not_an_estimator(content, saved):
    assert_load_fails(saved, forged(saved, content), "contains a|does not match")


def test_deeply_nested_content(saved):
    data = forged(saved, json.loads("[" * 900 + "]" * 900))
    assert_load_fails(saved, data, "")


# -- writing -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_failed_write_leaves_the_file_unchanged(name, saved, monkeypatch):
    before, model = saved.read_bytes(), skmm.load(saved)
    X, y = two_tables()
    model.partial_fit(X, y)

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, name, fail)
    for target in (saved, saved.with_name("new")):
        with pytest.raises(OSError, match="no space left"):
            model.save(target)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_invalid_paths(saved, tmp_path):
    model = skmm.load(saved)
    with pytest.raises(IsADirectoryError, match="is a directory"):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"directory .*nowhere does not exist"):
        model.save(tmp_path / "nowhere" / "model")
    with pytest.raises(FileNotFoundError):
        skmm.load(tmp_path / "nowhere")
    model.save(str(saved))  # replaces it
    assert [p.name for p in tmp_path.iterdir()] == [saved.name]


def test_a_link_stays_a_link(saved, tmp_path):
    model, link = skmm.load(saved), tmp_path / "latest"
    link.symlink_to(saved.name)
    saved.write_bytes(b"old")
    model.save(link)
    assert link.is_symlink()
    skmm.load(saved)


def test_file_permissions(saved):
    other = saved.with_name("other")
    other.write_bytes(b"")
    assert saved.stat().st_mode == other.stat().st_mode


def test_a_relative_path(saved, monkeypatch):
    model = skmm.load(saved)
    monkeypatch.chdir(saved.parent)
    model.save("here")
    assert Path("here").exists()
