"""Dense arrays that match the training data are read by a shorter way."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import skmm.base.estimator as module_of_estimators
from skmm import FusionClassifier, ModalityDict
from skmm.base.plain_rows import DTYPES, plain_rows
from skmm.data import check_modalities
from skmm.data.tensors import to_rows

RNG = np.random.default_rng(0)


def make(n=6, dtype="float32"):
    values = {"a": RNG.normal(size=(n, 3)), "b": RNG.normal(size=(n, 1, 4))}
    return {name: (3 * value).astype(dtype) for name, value in values.items()}


@pytest.fixture(scope="module")
def model():
    y = np.arange(30) % 2
    return FusionClassifier(max_epochs=1, random_state=0).fit(make(30), y)


def read(model, X):
    return plain_rows(model, X, model.net_.module_)


@pytest.mark.parametrize("container", [dict, ModalityDict])
@pytest.mark.parametrize("dtype", sorted(map(str, DTYPES)))
def test_rows_equal_those_of_the_checks(model, dtype, container):
    X = container(make(dtype=dtype))
    rows, module = read(model, X), model.net_.module_
    wanted = to_rows(check_modalities(X, model, reset=False), module, "cpu")
    assert rows.present is None and rows.weight is None
    assert list(rows.x) == list(wanted.x)
    for name, tensor in wanted.x.items():
        assert rows.x[name].dtype == torch.float32
        assert torch.equal(rows.x[name], tensor)


def with_value(value, dtype="float32"):
    X = make(dtype=dtype)
    X["b"][2, 0, 1] = value
    return X


def read_only():
    X = make()
    X["a"].flags.writeable = False
    return X


OTHERS = {
    "fewer modalities": lambda: {"a": make()["a"]},
    "more modalities": lambda: {**make(), "c": np.ones((6, 2))},
    "other shape": lambda: {**make(), "a": np.ones((6, 4))},
    "other lengths": lambda: {**make(), "a": np.ones((5, 3))},
    "no rows": lambda: make(0),
    "NaN": lambda: with_value(np.nan),
    "infinite": lambda: with_value(-np.inf),
    "too large": lambda: with_value(1e300, "float64"),
    "big-endian": lambda: make(dtype=">f4"),
    "complex": lambda: make(dtype="complex64"),
    "Fortran order": lambda: {**make(), "a": np.asfortranarray(make()["a"])},
    "reversed": lambda: {name: v[::-1] for name, v in make().items()},
    "read-only": read_only,
    "masked array": lambda: {**make(), "a": np.ma.masked_array(make()["a"])},
    "frame": lambda: {**make(), "a": pd.DataFrame(make()["a"])},
    "list": lambda: {name: v.tolist() for name, v in make().items()},
    "text": lambda: {**make(), "a": ["x"] * 6},
    "missing": lambda: ModalityDict(make()).with_missing("a", [0]),
    "list of dicts": lambda: [{"a": np.ones(3), "b": np.ones((1, 4))}],
    "array": lambda: np.ones((6, 3)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_input_is_left_to_the_checks(model, kind):
    assert read(model, OTHERS[kind]()) is None


@pytest.mark.parametrize("kind", [*OTHERS, "plain"])
def test_both_ways_predict_the_same(model, kind, monkeypatch):
    """What fails in the checks fails in both, with the same message."""
    X = make() if kind == "plain" else OTHERS[kind]()

    def result():
        try:
            return model.predict_proba(X).tolist()
        except Exception as error:
            return type(error), str(error)

    short = result()
    monkeypatch.setattr(module_of_estimators, "plain_rows", lambda *args: None)
    assert short == result()


def test_modalities_without_training_samples_are_left_to_the_checks():
    X, y = ModalityDict(make(30)).with_missing("a"), np.arange(30) % 2
    with pytest.warns(UserWarning, match="'a'"):
        unseen = FusionClassifier(max_epochs=1).fit(X, y)
    assert read(unseen, make()) is None


def test_the_device_follows_the_weights():
    X, y = make(30), np.arange(30) % 2
    module = FusionClassifier(max_epochs=1).fit(X, y).net_.module_
    assert module.device == torch.device("cpu")
    assert pickle.loads(pickle.dumps(module)).device == torch.device("cpu")
    assert module.to("meta").device == torch.device("meta")
