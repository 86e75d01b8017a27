"""Parts that do not read what the part before them gives are refused by name."""

import pytest
import torch

from skmm import (
    CoordinatedEncoder,
    EncoderDecoderReconstructor,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    MulMixClassifier,
    nn,
)
from skmm.nn.assemble import assemble, complete
from skmm.objectives import (
    BarlowTwins,
    BlendedLoss,
    CrossEntropy,
    MultiplicativeLoss,
    Objective,
    ReconstructionLoss,
    WeightedSum,
)
from skmm.training import TensorNet
from tests.toys import two_tables

X, Y = two_tables()
FAST = {"max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            FusionClassifier(head=nn.MixtureHead(2), **FAST),
            "head=MixtureHead reads the named outputs 'mixtures', 'available', but "
            "fusion=ConcatFusion gives a plain tensor.*such as MLPHead",
        ),
        (
            FusionClassifier(fusion="mixture", **FAST),
            "head=MLPHead reads a plain tensor, but fusion=MixtureFusion gives the "
            "named outputs 'mixtures', 'available'.*MulMixClassifier",
        ),
        (
            FusionClassifier(fusion="side_by_side", **FAST),
            "head=MLPHead .*fusion=SideBySideFusion.*such as ConcatFusion",
        ),
        (
            FusionClassifier(objective=MultiplicativeLoss(), **FAST),
            "objective MultiplicativeLoss reads the named outputs 'logits', "
            "'available', but head=MLPHead gives a plain tensor.*'cross_entropy'",
        ),
        (
            FusionClassifier(objective="barlow_twins", **FAST),
            "objective BarlowTwins .*but head=MLPHead gives a plain tensor",
        ),
        (
            FusionClassifier(
                fusion=nn.MixtureFusion("full"), head=nn.MixtureHead(), **FAST
            ),
            "objective CrossEntropy reads a plain tensor, but head=MixtureHead gives",
        ),
        (
            FusionRegressor(head=nn.DecoderHead(shapes={"a": (1,)}), **FAST),
            "objective SquaredError reads a plain tensor, but head=DecoderHead gives "
            "the named output 'a'",
        ),
        (
            GradientBlendingClassifier(objective=MultiplicativeLoss(), **FAST),
            r"MultiplicativeLoss reads the outputs \['logits', 'avail.*one tensor",
        ),
        (
            GradientBlendingClassifier(head=nn.MixtureHead(), **FAST),
            "head=MixtureHead reads the named outputs",
        ),
        (
            FusionClassifier(
                objective=WeightedSum([("multiplicative_loss", 1), (CrossEntropy(), 1)])
            ),
            "WeightedSum must read the same outputs",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(model, words):
    y = Y if "Classifier" in type(model).__name__ else X["a"][:, 0]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("objective", [CrossEntropy(), BarlowTwins(), BlendedLoss])
def test_a_loss_behind_a_head_that_it_cannot_read_is_rejected(objective):
    model = MulMixClassifier(**FAST).fit(X, Y)
    module = model.net_.module_
    assert module.gives == ("logits", "available")
    if objective is BlendedLoss:  # it reads the same names
        TensorNet(module, BlendedLoss(CrossEntropy(), 3), device="cpu").initialize()
        return
    with pytest.raises(ValueError, match=f"objective {type(objective).__name__} reads"):
        TensorNet(module, objective, device="cpu").initialize()


def test_a_function_may_read_anything():
    def first_candidate(outputs, target, weight=None):
        return torch.nn.functional.cross_entropy(outputs["logits"][:, 0], target)

    module = MulMixClassifier(**FAST).fit(X, Y).net_.module_
    TensorNet(module, first_candidate, device="cpu").initialize()


class Pair(nn.Block):
    """Two named outputs."""

    gives = ("mean", "spread")

    def build(self, in_shape):
        width, self.out_features = in_shape
        self.mean = torch.nn.Linear(width, self.out_features - 1)
        self.spread = torch.nn.Linear(width, 1)
        return self

    def forward(self, x):
        return {"mean": self.mean(x), "spread": self.spread(x)}


class Misnamed(Pair):
    def forward(self, x):
        return {"mean": self.mean(x)}


class NotPerSample(Pair):
    def forward(self, x):
        return {"mean": self.mean(x), "spread": self.spread(x).T}


class Flat(Pair):
    def forward(self, x):
        return self.mean(x)


def module_of(head):
    shapes = {"a": (3,), "b": (5,)}
    return assemble(complete(None, shapes), nn.ConcatFusion(), head, shapes, 2)


def test_a_head_of_ones_own_may_name_its_outputs():
    module = module_of(Pair())
    assert module.gives == ("mean", "spread")
    out = module({"a": torch.zeros(4, 3), "b": torch.zeros(4, 5)})
    assert {name: part.shape for name, part in out.items()} == {
        "mean": (4, 1),
        "spread": (4, 1),
    }


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (Misnamed(), r"Misnamed must return a dict .*\['mean', 'spread'\]"),
        (Flat(), r"Flat must return a dict .*\['mean', 'spread'\]"),
        (NotPerSample(), "NotPerSample returned the shapes .*first axis of each"),
    ],
)
def test_a_head_must_return_what_it_names(head, words):
    with pytest.raises(ValueError, match=f"(?s)head: {words}"):
        module_of(head)


def test_outputs_and_targets_are_read_by_name():
    y = {"first": X["a"], "second": X["b"][:, :2]}
    model = EncoderDecoderReconstructor((8,), **FAST).fit(X, y)
    outputs = model._outputs(X)
    assert {name: out.shape for name, out in outputs.items()} == {
        "first": (len(Y), 3),
        "second": (len(Y), 2),
    }
    assert isinstance(model.net_.criterion, ReconstructionLoss)
    assert model.net_.criterion.reads == ("first", "second")


def test_a_coordination_has_embeddings_and_presence():
    outputs = CoordinatedEncoder(**FAST).fit(X)._outputs(X)
    assert outputs["embeddings"].shape == (len(Y), 2, 64)
    assert outputs["present"].dtype == torch.bool and outputs["present"].all()


class Agreement(Objective):
    """Squared distance of the first two embeddings, with `reads` of choice."""

    by_rows = False

    def __init__(self, reads):
        self.reads = reads

    def __call__(self, outputs, target, weight=None):
        embeddings = outputs["embeddings"]
        return (embeddings[:, 0] - embeddings[:, 1]).square().mean()


@pytest.mark.parametrize(
    "reads",
    [
        ("present", "embeddings"),
        ["embeddings", "present"],
        ("embeddings",),
        "embeddings",
    ],
)
def test_an_objective_of_embeddings_names_what_it_reads_in_any_form(reads):
    model = CoordinatedEncoder(objective=Agreement(reads), **FAST).fit(X)
    assert isinstance(model.net_.criterion, Agreement)


@pytest.mark.parametrize("reads", ["mean", ("embeddings", "mean")])
def test_an_objective_of_embeddings_cannot_read_other_names(reads):
    words = "objective Agreement reads .*'mean', but .* gives the named outputs 'embed"
    with pytest.raises(ValueError, match=words):
        CoordinatedEncoder(objective=Agreement(reads), **FAST).fit(X)


class One(nn.Block):
    """One named output, whose name is a string."""

    gives = "mean"

    def build(self, in_shape):
        width, self.out_features = in_shape
        self.linear = torch.nn.Linear(width, self.out_features)
        return self

    def forward(self, x):
        return {"mean": self.linear(x)}


class OfMean(CrossEntropy):
    """Cross-entropy of the output "mean"."""

    reads = "mean"

    def rows(self, outputs, target):
        return super().rows(outputs["mean"], target)

    def mean(self, outputs, target):
        return super().mean(outputs["mean"], target)


def test_one_name_may_be_a_string():
    assert module_of(One()).gives == ("mean",)
    for objective in (OfMean(), WeightedSum([(OfMean(), 1.0)])):
        FusionClassifier(head=One(), objective=objective, **FAST).fit(X, Y)
    with pytest.raises(ValueError, match="reads the named output 'mean', but"):
        FusionClassifier(objective=OfMean(), **FAST).fit(X, Y)
    with pytest.raises(ValueError, match=r"reads the outputs \['mean'\]"):
        GradientBlendingClassifier(objective=OfMean(), **FAST).fit(X, Y)


class PassedOn(nn.IdentityHead):
    """Head for a fusion of named outputs, of which it returns one."""

    reads, gives = ("embeddings", "present"), ()

    def build(self, in_shape):
        self.linear = torch.nn.LazyLinear(in_shape[1])
        self.out_features = in_shape[1]
        return self

    def forward(self, x):
        return self.linear(x["embeddings"].flatten(1))


def test_a_fusion_of_named_outputs_cannot_be_transformed():
    model = FusionClassifier(fusion="side_by_side", head=PassedOn(), **FAST).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    words = r"\['embeddings', 'present'\].*FusionClassifier must override transform"
    with pytest.raises(TypeError, match=words):
        model.transform(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_of_named_outputs_need_an_estimator_that_reads_them(method):
    model = FusionClassifier(head=One(), objective=OfMean(), **FAST).fit(X, Y)
    words = r"head.*\['mean'\].*override `_outputs`"
    with pytest.raises(TypeError, match=words):
        getattr(model, method)(X)


def test_values_of_named_outputs_need_an_estimator_that_reads_them():
    def error(outputs, target, weight=None):
        return (outputs["mean"] - target).square().mean()

    model = FusionRegressor(head=One(), objective=error, **FAST).fit(X, X["a"][:, 0])
    with pytest.raises(TypeError, match=r"head.*\['mean'\].*override `_outputs`"):
        model.predict(X)
