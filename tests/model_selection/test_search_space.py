"""Search spaces in trials of Optuna: values and keys."""

import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterSampler

from skmm import FusionClassifier
from skmm.model_selection import default_search_space, suggest
from skmm.model_selection.search_space import PART, Space, label_of
from skmm.nn import ConcatFusion, MeanFusion, MLPEncoder

optuna = pytest.importorskip("optuna")
distributions = optuna.distributions


def trial_of(params):
    return optuna.trial.FixedTrial(params)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (stats.uniform(1, 2), distributions.FloatDistribution(1.0, 3.0)),
        (
            stats.loguniform(1e-4, 0.1),
            distributions.FloatDistribution(1e-4, 0.1, log=1),
        ),
        (
            stats.reciprocal(1e-4, 0.1),
            distributions.FloatDistribution(1e-4, 0.1, log=1),
        ),
        (
            stats.loguniform(1, 10, scale=2),
            distributions.FloatDistribution(2.0, 20.0, log=True),
        ),
        (stats.randint(2, 9), distributions.IntDistribution(2, 8)),
        (stats.randint(2, 9, loc=1), distributions.IntDistribution(3, 9)),
    ],
)
def test_distributions_of_scipy_become_those_of_optuna(law, expected):
    (part,) = Space({"p": law}).parts
    found = part["p"].distribution
    assert type(found) is type(expected) and found.log == expected.log
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize(
    "law", [stats.norm(3, 2), stats.poisson(4), stats.loguniform(1, 10, loc=5)]
)
def test_other_distributions_go_by_their_quantiles(law):
    trial = trial_of({"p (quantile)": 0.25})
    assert suggest(trial, {"p": law})["p"] == pytest.approx(law.ppf(0.25))


def test_distributions_of_optuna_are_taken_as_they_are():
    own = distributions.FloatDistribution(0.5, 2.0, step=0.5)
    choice = distributions.CategoricalDistribution(["a", "b"])
    drawn = suggest(trial_of({"p": 1.5, "q": "b"}), {"p": own, "q": choice})
    assert drawn == {"p": 1.5, "q": "b"}


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        (None, None),
        (np.float64(0.5), 0.5),
        ((64, 32), "(64, 32)"),
        ((64,), "(64,)"),
        (MeanFusion(), "MeanFusion()"),
        (MLPEncoder((8,), dropout=0.1), "MLPEncoder(hidden=(8,), dropout=0.1)"),
        ({"a": MLPEncoder((8,))}, "{'a': MLPEncoder(hidden=(8,))}"),
        (np.ravel, "ravel"),
    ],
)
def test_labels_can_be_read(choice, label):
    assert label_of(choice) == label


def test_a_long_block_is_not_cut_short():
    widths = tuple(range(1, 400))
    assert str(widths) in label_of(MLPEncoder(widths))


def test_built_blocks_differ_by_their_weights():
    a, b = MLPEncoder((2,)).build((3,)), MLPEncoder((2,)).build((3,))
    assert label_of(a) != label_of(b)
    assert label_of(a) == label_of(a.__sklearn_clone__())


@pytest.mark.parametrize(
    "choices", [[MeanFusion(), MeanFusion()], [1, True], ["a", "a"], [(1,), (1,)]]
)
def test_choices_with_equal_labels_are_rejected(choices):
    with pytest.raises(ValueError, match=r"'fusion'.*same"):
        Space({"fusion": choices})


def test_choices_come_back_as_objects():
    space = {"fusion": [ConcatFusion(), MeanFusion(4)], "lr": stats.loguniform(1e-4, 1)}
    study = optuna.create_study()
    trial = study.ask()
    drawn = suggest(trial, space)
    study.tell(trial, 1.0)
    again = suggest(study.best_trial, space)
    assert drawn["lr"] == again["lr"] == study.best_params["lr"]
    assert type(drawn["fusion"]) is type(again["fusion"])
    assert study.best_params["fusion"] == label_of(drawn["fusion"])


def test_drawn_blocks_are_copies():
    trial = trial_of({"fusion": "ConcatFusion()", "fusion__hidden": "(8,)"})
    space = {"fusion": [ConcatFusion()], "fusion__hidden": [(8,)]}
    for _ in range(2):
        model = FusionClassifier().set_params(**suggest(trial, space))
        assert model.fusion.hidden == (8,)


SPACES = [
    {"fusion": [MeanFusion(8)], "lr": stats.loguniform(1e-4, 1e-3)},
    {"fusion": [ConcatFusion()], "fusion__hidden": [(4,), (8,)]},
]


def test_of_several_dicts_one_is_drawn_first():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = []
    for _ in range(20):
        trial = study.ask()
        drawn.append(suggest(trial, SPACES))
        study.tell(trial, 0.0)
    assert {frozenset(d) for d in drawn} == {frozenset(part) for part in SPACES}
    assert {t.params[PART] for t in study.trials} == {0, 1}
    for trial, params in zip(study.trials, drawn, strict=True):
        assert label_of(suggest(trial, SPACES)) == label_of(params)


def test_equal_distributions_share_a_key():
    alike = [{"lr": stats.uniform(0, 1)}, {"lr": stats.uniform(0, 1), "b": [1, 2]}]
    assert [part["lr"].key for part in Space(alike).parts] == ["lr", "lr"]
    assert [part["fusion"].key for part in Space(SPACES).parts] == [
        "fusion",
        "fusion [1]",
    ]


def test_scikit_learn_reads_the_same_space():
    space = default_search_space(FusionClassifier(MLPEncoder()))
    for params in ParameterSampler(space, 5, random_state=0):
        FusionClassifier(MLPEncoder()).set_params(**params)
    study = optuna.create_study()
    assert {*suggest(study.ask(), space)} == {*space}


@pytest.mark.parametrize(
    ("space", "error", "words"),
    [
        ({}, ValueError, "empty"),
        ([], ValueError, "empty"),
        ("lr", TypeError, "a dict of parameter names"),
        ([{"lr": [1]}, 3], TypeError, "a dict of parameter names"),
        ({"lr": []}, ValueError, "choices of 'lr' is empty"),
        ({"lr": 0.1}, TypeError, "'lr' must be a list"),
        ({"lr": "abc"}, TypeError, "'lr' must be a list"),
    ],
)
def test_invalid_spaces(space, error, words):
    with pytest.raises(error, match=words):
        Space(space)


def test_an_estimator_without_a_space_is_named():
    with pytest.raises(TypeError, match="LogisticRegression has no search space"):
        default_search_space(LogisticRegression())


def test_without_optuna_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"skmm\[tune\]"):
        suggest(None, {"lr": [1]})


@pytest.mark.parametrize(
    "law", [stats.norm, stats.uniform, stats.rv_histogram(np.histogram([0.1, 0.2]))]
)
def test_distributions_must_be_frozen(law):
    with pytest.raises(TypeError, match=r"'lr' must be .* frozen distribution"):
        Space({"lr": law})


def test_nan_is_rejected():
    for nan in (np.nan, np.float32("nan")):
        with pytest.raises(ValueError, match="choices of 'lr' must not include NaN"):
            Space({"lr": [0.1, nan]})


def test_names_are_strings():
    with pytest.raises(TypeError, match=r"keys; got 1\."):
        Space({1: [1, 2]})
    with pytest.raises(TypeError, match="strings, as keys"):
        Space([{"lr": [0.1]}, {"lr": [0.2], None: [1]}])
