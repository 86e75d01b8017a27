"""Nested parameters of dicts of parts (``skmm/_params.py``)."""

import pytest
from sklearn import clone
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skmm import FusionClassifier, LateFusionClassifier
from skmm._params import NestedParams
from skmm.nn import MLPEncoder
from skmm.preprocessing import ModalityTransformer


class Holder(NestedParams, BaseEstimator):
    _nested = ("parts",)

    def __init__(self, parts=None, plain=1):
        self.parts = parts
        self.plain = plain


def test_nested_parameters_are_listed():
    scaler = StandardScaler(with_mean=False)
    params = Holder({"a": scaler, "b": None}).get_params()
    assert params["parts__a"] is scaler and params["parts__b"] is None
    assert params["parts__a__with_mean"] is False
    assert set(Holder({"a": scaler}).get_params(deep=False)) == {"parts", "plain"}
    assert set(Holder().get_params()) == {"parts", "plain"}


def test_setting_does_not_change_objects_of_the_user():
    scaler = StandardScaler()
    parts = {"a": scaler, "b": None}
    holder = Holder(parts).set_params(parts__a__with_mean=False, plain=2)
    assert holder.parts["a"].with_mean is False and holder.plain == 2
    assert scaler.with_mean is True and parts["a"] is scaler
    assert list(holder.parts) == ["a", "b"]


def test_a_part_and_its_parameter_at_once():
    new = LogisticRegression()
    holder = Holder({"a": StandardScaler()})
    holder.set_params(parts__a__C=3.0, parts__a=new)
    assert holder.parts["a"].C == 3.0 and new.C == 1.0


def test_the_dict_and_its_part_at_once():
    holder = Holder().set_params(
        parts__a__with_mean=False, parts={"a": StandardScaler()}
    )
    assert holder.parts["a"].with_mean is False


@pytest.mark.parametrize("name", ["a", "a__b", "a.b", "with_mean"])
def test_names_of_any_kind(name):
    holder = Holder({name: StandardScaler(), "x": StandardScaler()})
    key = f"parts__{name}__with_mean"
    assert key in holder.get_params()
    holder.set_params(**{key: False})
    assert not holder.parts[name].with_mean and holder.parts["x"].with_mean


def test_the_longest_name_wins():
    holder = Holder({"a": StandardScaler(), "a__b": StandardScaler()})
    holder.set_params(parts__a__b__with_mean=False)
    assert holder.parts["a"].with_mean and not holder.parts["a__b"].with_mean


def test_getting_and_setting_round_trip():
    holder = Holder({"a": make_pipeline(StandardScaler(), LogisticRegression(C=2.0))})
    again = Holder().set_params(parts=holder.parts).set_params(**holder.get_params())
    assert str(again.get_params()) == str(holder.get_params())
    assert again.set_params(parts__a__logisticregression__C=9.0).parts["a"][-1].C == 9.0
    assert holder.parts["a"][-1].C == 2.0


@pytest.mark.parametrize("parts, listed", [(None, r"\[\]"), ({"a": None}, r"\['a'\]")])
def test_error_names_an_unknown_part(parts, listed):
    expected = f"'parts__zz__with_mean' for Holder: parts has the parts {listed}"
    with pytest.raises(ValueError, match=expected):
        Holder(parts).set_params(parts__zz__with_mean=False)


@pytest.mark.parametrize("part", [None, "drop", nn.Linear(2, 2), StandardScaler])
def test_error_names_a_part_without_parameters(part):
    holder = Holder({"a": part})
    assert "parts__a" in holder.get_params()
    with pytest.raises(ValueError, match="'parts__a__with_mean' for Holder: parts"):
        holder.set_params(parts__a__with_mean=False)
    assert holder.set_params(parts__a=StandardScaler()).parts["a"].with_mean


def test_error_names_a_misspelt_parameter():
    with pytest.raises(ValueError, match="Invalid parameter 'with_maen'"):
        Holder({"a": StandardScaler()}).set_params(parts__a__with_maen=False)
    with pytest.raises(ValueError, match="Invalid parameter 'plian'"):
        Holder().set_params(plian=3)


@pytest.mark.parametrize(
    "estimator, key",
    [
        (FusionClassifier({"a": MLPEncoder()}), "encoders__a__hidden"),
        (FusionClassifier(MLPEncoder()), "encoders__hidden"),
        (LateFusionClassifier({"a": FusionClassifier()}), "estimators__a__lr"),
        (LateFusionClassifier(LogisticRegression()), "estimators__C"),
        (ModalityTransformer({"a": StandardScaler()}), "transformers__a__with_std"),
    ],
)
def test_parameters_of_our_estimators(estimator, key):
    changed = clone(estimator).set_params(**{key: (3,)})
    assert changed.get_params()[key] == (3,)
    assert estimator.get_params()[key] != (3,)
    assert clone(changed).get_params()[key] == (3,)
