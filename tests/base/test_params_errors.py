"""Errors of nested parameters, and names that are not strings."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier, LateFusionClassifier
from skmm.nn import MLPEncoder, MLPHead, SumFusion
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables


@pytest.mark.parametrize(
    "model, key, words",
    [
        (FusionClassifier(), "head__hidden", "head is None.*Set head to an instance"),
        (FusionClassifier(), "fusion__width", "fusion is 'concat'.*an instance"),
        (
            FusionClassifier(MLPEncoder()),
            "encoders__a__hidden",
            r"encoders is MLPEncoder\(\).*Set encoders to a dict of parts by modality",
        ),
        (
            LateFusionClassifier(LogisticRegression()),
            "estimators__a__C",
            "estimators is LogisticRegression.*a dict of parts by modality",
        ),
        (ModalityTransformer(), "remainder__with_mean", "remainder is 'passthrough'"),
    ],
)
def test_error_for_a_parameter_that_does_not_exist(model, key, words):
    with pytest.raises(ValueError, match=f"Invalid parameter '{key}'.*{words}"):
        model.set_params(**{key: 1})


def test_an_instance_and_its_parameters_at_once():
    model = FusionClassifier(MLPEncoder()).set_params(
        head=MLPHead(), head__hidden=(3,), fusion=SumFusion(), fusion__width=4
    )
    model.set_params(encoders__hidden=(5,))
    assert model.head.hidden == (3,) and model.fusion.width == 4
    assert model.encoders.hidden == (5,)


def test_integer_names_become_strings():
    X, y = two_tables()
    X = {0: X["a"], 1: X["b"]}
    model = FusionClassifier({0: MLPEncoder((3,))}, max_epochs=1, random_state=0)
    assert model.fit(X, y).embed(X)["0"].shape == (40, 3)
    assert model.get_params()["encoders__0__hidden"] == (3,)
    assert model.set_params(encoders__0__hidden=(5,)).encoders["0"].hidden == (5,)
    prepare = ModalityTransformer({1: StandardScaler()}, remainder="drop")
    assert list(prepare.fit_transform(X)) == ["1"]
    late = LateFusionClassifier({0: LogisticRegression(C=2.0)}).set_params(
        estimators__0__C=3.0
    )
    assert late.get_params()["estimators__0__C"] == 3.0
