"""Classes defined outside the package get everything right without touching it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler
from torch import nn

import skmm
from skmm.base import ModalityEstimator, NetClassifierMixin
from skmm.model_selection import fit_replicas
from skmm.model_selection.replicas import trains_together
from skmm.nn import Block
from skmm.nn.block import PerModality
from skmm.objectives import CrossEntropy, Objective
from tests.toys import two_tables

X, Y = two_tables(60)
FAST = {"max_epochs": 3, "random_state": 0}
SAMPLES = [np.arange(60), np.arange(60)[::-1], np.arange(50)]
INTERRUPT = {"at": np.inf}  # number of calls of `Power` before Ctrl-C


class ScaledEncoder(Block):
    """Linear layer and tanh, times `scale`."""

    stackable = True
    search_space = {"width": [3, 6], "scale": (0.5, 2.0)}

    def __init__(self, width=4, scale=1.0):
        super().__init__()
        self.width = width
        self.scale = scale

    def build(self, in_shape):
        self.linear = nn.Linear(in_shape[0], self.width)
        self.out_features = self.width
        return self

    def forward(self, x):
        return self.scale * self.linear(x).tanh()


class BatchEncoder(ScaledEncoder):
    """Not stackable, which is not inherited: `forward` uses axis 0."""

    def forward(self, x):
        return self.scale * (self.linear(x).tanh() + 0.1 * torch.ones(len(x), 1))


class GainFusion(Block):
    """Sum of the embeddings, each multiplied by a gain."""

    search_space = {"width": [16]}

    def __init__(self, gains=(), width=4):
        super().__init__()
        self.gains = gains
        self.width = width

    def build(self, in_shape):
        maps = {name: nn.Linear(d, self.width) for name, d in in_shape.items()}
        self.maps = PerModality(maps)
        self.out_features = self.width
        return self

    def forward(self, parts, present=None):
        gains = dict(self.gains)
        return sum(gains.get(n, 1.0) * f(parts[n]) for n, f in self.maps.items())


class Power(Objective):
    """Cross-entropy of each sample to a power."""

    search_space = {"power": (1.0, 2.0)}

    def __init__(self, power=1.5):
        self.power = power

    def check(self, outputs, target):
        INTERRUPT["at"] -= 1
        if INTERRUPT["at"] < 0:
            raise KeyboardInterrupt

    def rows(self, outputs, target):
        losses = nn.functional.cross_entropy(outputs, target, reduction="none")
        return losses**self.power


class Tempered(Objective, nn.Module):
    """Cross-entropy at a temperature that is learned."""

    def __init__(self, start=1.0):
        nn.Module.__init__(self)
        self.start = start
        self.log_scale = nn.Parameter(-torch.tensor(start).log())

    def forward(self, outputs, target, weight=None):
        return CrossEntropy()(self.log_scale.exp() * outputs, target, weight)


class WorstHalf(Objective):
    """Mean cross-entropy of the half of a mini-batch with the largest losses."""

    def __call__(self, outputs, target, weight=None):
        losses = nn.functional.cross_entropy(outputs, target, reduction="none")
        return losses.topk(len(losses) // 2).values.mean()


class WorstHalfCrossEntropy(CrossEntropy):
    """The same, but inherits a loss of each sample that does not apply."""

    def __call__(self, outputs, target, weight=None):
        return WorstHalf()(outputs, target, weight)


class OwnClassifier(NetClassifierMixin, ModalityEstimator):
    """`GainFusion` and a smoothed cross-entropy."""

    _training_parameters = ModalityEstimator._training_parameters | {"smoothing"}
    _changes_loss = (*ModalityEstimator._changes_loss, "smoothing")
    _by_modality = (*ModalityEstimator._by_modality, "gains")
    search_space = {"width": [2, 4, 8], "smoothing": (0.0, 0.2)}

    def __init__(
        self,
        encoders=None,
        *,
        width=4,
        gains=None,
        smoothing=0.0,
        head=None,
        modalities=None,
        objective=None,
        stages=None,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=None,
        batch_size=32,
        max_epochs=100,
        early_stopping=False,
        validation_fraction=0.15,
        patience=10,
        class_weight=None,
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    @property
    def fusion(self):
        return GainFusion(dict(self.gains or {}), self.width)

    def _objective(self):
        own = CrossEntropy(label_smoothing=self.smoothing)
        return own if self.objective is None else self.objective


CLASSES = [OwnClassifier, ScaledEncoder, GainFusion, Power, Tempered]


def fusion_of(encoder=None, objective=None, **params):
    encoder = ScaledEncoder() if encoder is None else encoder
    objective = Power() if objective is None else objective
    return skmm.FusionClassifier(
        {"a": encoder}, objective=objective, **{**FAST, **params}
    )


def own(**params):
    return OwnClassifier({"a": ScaledEncoder()}, **{**FAST, **params})


def assert_same(a, b, atol=0.0):
    np.testing.assert_allclose(
        a.predict_proba(X), b.predict_proba(X), rtol=0, atol=atol
    )


# -- warm start --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("width", 5), ("gains", {"a": 2.0}), ("encoders__a__scale", 0.5)],
)
def test_warm_start_rejects_another_structural_parameter(parameter, value):
    model = own(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=rf"{parameter}.* changed since the first fit"):
        model.set_params(**{parameter: value}).fit(X, Y)


def test_warm_start_allows_another_training_parameter():
    model = own(warm_start=True).fit(X, Y)
    model.set_params(smoothing=0.2, lr=0.01, objective=Power(2.0)).fit(X, Y)
    assert model.n_iter_ == 6
    assert not np.allclose(
        model.predict_proba(X), own(max_epochs=6).fit(X, Y).predict_proba(X)
    )


def test_warm_start_rejects_other_candidate_weights():
    weights = {("a",): 0.5}
    model = skmm.MulMixClassifier(warm_start=True, **FAST).fit(X, Y)
    with pytest.raises(ValueError, match="candidate_weights changed"):
        model.set_params(candidate_weights=weights).fit(X, Y)


# -- search ------------------------------------------------------------------------


def test_search_space_has_the_own_parameters():
    space = own(objective=Power()).default_search_space()
    assert space["width"] == [2, 4, 8]
    assert space["smoothing"].support() == (0.0, 0.2)
    assert space["encoders__a__width"] == [4, 3, 6]
    assert space["encoders__a__scale"].support() == (0.5, 2.0)
    assert space["objective__power"].support() == (1.0, 2.0)
    assert "fusion__width" not in space  # the fusion is not a parameter


@pytest.mark.parametrize("model", [own(objective=Power()), fusion_of()], ids=repr)
def test_draws_from_the_search_space_can_be_fitted(model):
    space = model.default_search_space()
    assert "objective__power" in space
    for params in ParameterSampler(space, 3, random_state=0):
        fitted = clone(model).set_params(**clone(params, safe=False)).fit(X, Y)
        assert fitted.net_.criterion.power == params["objective__power"]


# -- replicas ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "objective", "stacked"),
    [
        (ScaledEncoder(), CrossEntropy(), True),
        (ScaledEncoder(), Power(), True),
        (BatchEncoder(), CrossEntropy(), False),
        (ScaledEncoder(), Tempered(2.0), False),
        (ScaledEncoder(), WorstHalf(), False),
        (ScaledEncoder(), WorstHalfCrossEntropy(), False),
    ],
    ids=[
        "block",
        "objective",
        "not stackable",
        "weights",
        "whole batch",
        "inherited rows",
    ],
)
def test_replicas_equal_single_fits(encoder, objective, stacked):
    model = fusion_of(encoder, objective)
    assert trains_together(model, X, Y, SAMPLES[0]) == stacked
    for replica, rows in zip(fit_replicas(model, X, Y, SAMPLES), SAMPLES, strict=True):
        assert_same(replica, clone(model).fit(X[rows], Y[rows]), atol=1e-5)


def test_replicas_of_the_own_estimator_equal_single_fits():
    params = [{"width": w, "smoothing": s} for w, s in [(4, 0.0), (3, 0.0), (4, 0.1)]]
    for replica, rows, changed in zip(
        fit_replicas(own(), X, Y, SAMPLES, params=params), SAMPLES, params, strict=True
    ):
        assert_same(replica, own(**changed).fit(X[rows], Y[rows]), atol=1e-5)


# -- saving ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [fusion_of(), own(gains={"a": 2.0}, objective=Power()), own(objective=Tempered())],
    ids=repr,
)
def test_saved_and_loaded(model, tmp_path):
    model = clone(model).fit(X, Y)
    model.save(tmp_path / "model")
    loaded = skmm.load(tmp_path / "model", classes=CLASSES)
    assert_same(loaded, model)
    assert repr(loaded) == repr(model)
    continued = [m.set_params(warm_start=True).fit(X, Y) for m in (loaded, model)]
    assert_same(*continued)


@pytest.mark.parametrize("left_out", CLASSES[:4], ids=lambda cls: cls.__name__)
def test_loading_names_the_class_that_was_not_passed(left_out, tmp_path):
    own(objective=Power()).fit(X, Y).save(tmp_path / "model")
    classes = [cls for cls in CLASSES if cls is not left_out]
    with pytest.raises(ValueError, match=rf"class {__name__}.{left_out.__name__},"):
        skmm.load(tmp_path / "model", classes=classes)


# -- modalities --------------------------------------------------------------------


def test_restricted_to_one_modality():
    whole = own(gains={"a": 2.0, "b": 0.5})
    restricted = skmm.restrict(whole, ["a"])
    alone = own(gains={"a": 2.0}, modalities=["a"])
    assert_same(restricted.fit(X, Y), alone.fit(X, Y))
    assert_same(clone(restricted).fit(X, Y), alone)


@pytest.mark.parametrize("modalities", [None, ["a"]], ids=["all", "one"])
def test_unknown_modality_in_an_own_parameter_is_rejected(modalities):
    model = own(gains={"a": 2.0, "c": 1.0}, modalities=modalities)
    with pytest.raises(ValueError, match="gains: unknown modality 'c'"):
        model.fit(X, Y)


def test_late_fusion_of_the_own_estimator():
    member = own(gains={"a": 2.0, "b": 0.5})
    late = skmm.LateFusionClassifier(member).fit(X, Y)
    mine = X.select(["a"])
    alone = skmm.restrict(member, ["a"]).fit(mine, Y)
    np.testing.assert_array_equal(
        late.estimators_["a"].predict_proba(mine), alone.predict_proba(mine)
    )
    wrong = clone(member).set_params(gains={"c": 1.0})
    with pytest.raises(ValueError, match="gains: unknown modality 'c'"):
        skmm.LateFusionClassifier(wrong).fit(X, Y)


# -- checkpoints -------------------------------------------------------------------


@pytest.fixture
def interrupted(tmp_path):
    """A function that fits until it is interrupted in the fourth of eight epochs."""

    def fit(**params):
        model = own(objective=Power(), checkpoint=tmp_path / "fit", max_epochs=8)
        INTERRUPT["at"] = 7
        try:
            with pytest.raises(KeyboardInterrupt):
                clone(model).set_params(**params).fit(X, Y)
        finally:
            INTERRUPT["at"] = np.inf
        assert (tmp_path / "fit").exists()
        return model

    return fit


def test_an_interrupted_fit_is_resumed(interrupted):
    resumed = interrupted().fit(X, Y)
    assert resumed.n_iter_ == 8
    assert_same(resumed, clone(resumed).set_params(checkpoint=None).fit(X, Y))


@pytest.mark.parametrize(
    "params", [{"smoothing": 0.1}, {"width": 5}, {"objective__power": 2.0}], ids=str
)
def test_a_checkpoint_of_another_value_is_rejected_by_name(interrupted, params):
    (parameter,) = params
    model = interrupted().set_params(**params)
    with pytest.raises(ValueError, match=f"another fit.*{parameter.split('__')[0]}"):
        model.fit(X, Y)
