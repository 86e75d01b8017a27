import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import (
    FusionClassifier,
    LateFusionClassifier,
    NoHarmFusionClassifier,
    restrict,
)
from skmm.base import takes_modalities
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables


def model(**params):
    return FusionClassifier(**{"max_epochs": 2, "random_state": 0, **params})


@pytest.mark.parametrize(
    "estimator, expected",
    [
        (FusionClassifier(), True),
        (ModalityTransformer(), True),
        (make_pipeline(StandardScaler(), FusionClassifier()), True),
        (LogisticRegression(), False),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
        ("passthrough", False),
    ],
)
def test_takes_modalities(estimator, expected):
    assert takes_modalities(estimator) is expected


def test_restrict_does_not_change_the_estimator():
    whole = model()
    part = restrict(whole, ("a",))
    assert part is not whole and part.modalities == ["a"] and whole.modalities is None


def test_restrict_a_pipeline():
    X, y = two_tables()
    pipe = make_pipeline(ModalityTransformer({"a": StandardScaler()}), model())
    part = restrict(pipe, ["b"]).fit(X, y)
    assert part[0].modalities_in_ == part[-1].modalities_in_ == ["b"]
    assert part.predict(X).shape == (40,)


def test_restricted_is_the_same_as_fitted_on_a_subset():
    X, y = two_tables()
    part = restrict(model(), ["b"]).fit(X, y)
    alone = model().fit(X.select(["b"]), y)
    assert (part.predict_proba(X) == alone.predict_proba(X.select(["b"]))).all()


@pytest.mark.parametrize("names", [["a", "b"], ["b"]])
def test_restrict_late_fusion(names):
    X, y = two_tables()
    late = LateFusionClassifier({"a": model(), "b": model()})
    part = restrict(late, names).fit(X, y)
    assert list(part.estimators_) == names
    assert part.predict(X).shape == (40,)


def test_restrict_meta_estimators():
    search = restrict(GridSearchCV(model(), {"lr": [0.1]}), ["a"])
    assert search.estimator.modalities == ["a"]
    bags = restrict(
        BaggingClassifier(make_pipeline(ModalityTransformer(), model())), ["a"]
    )
    assert [step.modalities for _, step in bags.estimator.steps] == [["a"], ["a"]]


def test_fit_with_a_misspelt_name_raises():
    X, y = two_tables()
    with pytest.raises(ValueError, match="modalities: unknown modality 'c'"):
        restrict(model(), ["c"]).fit(X, y)


def test_restrict_raises_without_parameter_modalities():
    with pytest.raises(
        TypeError, match="LogisticRegression has no parameter `modalities`"
    ):
        restrict(LogisticRegression(), ["a"])


def test_restrict_cuts_parameters_in_the_order_of_modalities():
    whole = NoHarmFusionClassifier(
        guarantee=None, factor=(0.5, 0.3, 0.2), modalities=["a", "b", "c"]
    )
    alone = restrict(whole, ["c", "b"])
    assert alone.factor == pytest.approx((0.4, 0.6))
    piped = restrict(make_pipeline(ModalityTransformer(), whole), ["c", "b"])
    assert piped[-1].factor == alone.factor and whole.factor == (0.5, 0.3, 0.2)


def piped_weights(**params):
    fuse = NoHarmFusionClassifier(
        guarantee=None, factor=(0.5, 0.3, 0.2), max_epochs=1, random_state=0, **params
    )
    return make_pipeline(ModalityTransformer({"a": StandardScaler()}), fuse)


def test_weights_behind_a_step_that_selects_need_names():
    X, y = two_tables()
    X = {**X, "c": X["a"]}
    named = restrict(piped_weights(modalities=["a", "b", "c"]), ["c", "a"]).fit(X, y)
    assert named[-1].modality_weights_ == pytest.approx({"a": 5 / 7, "c": 2 / 7})
    whole = piped_weights().fit(X, y)
    assert list(whole[-1].modality_weights_.values()) == pytest.approx([0.5, 0.3, 0.2])
    words = (
        r"one weight for each of the 2 modalities.*got 3.*`restrict`.*modalities= to"
    )
    with pytest.raises(ValueError, match=words):
        restrict(piped_weights(), ["c", "a"]).fit(X, y)
