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
from skmm.nn.shape_inference import probe_fusion
from skmm.objectives import (
    BarlowTwins,
    BlendedLoss,
    CrossEntropy,
    MultiplicativeLoss,
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
def test_a_loss_behind_a_head_that_it_cannot_read_is_refused(objective):
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


class Outputs(nn.Block):
    """Two named outputs and a mask, of `width` values together or not."""

    gives = ("left", "right", "mask")

    def __init__(self, width=5, samples=2):
        super().__init__()
        self.width = width
        self.samples = samples

    def build(self, in_shape):
        self.out_features = 5
        return self

    def forward(self, parts, present=None):
        left, right = torch.zeros(2, 2), torch.zeros(self.samples, self.width - 2)
        return {"left": left, "right": right, "mask": torch.ones(2, 7) > 0}


@pytest.mark.parametrize("params", [{"width": 4}, {"width": 6}, {"samples": 3}])
def test_named_outputs_of_another_width_are_named(params):
    message = r"fusion: Outputs returned .*'mask': \(2, 7\).* must have 5 values"
    probe_fusion(Outputs().build({"a": 3}), {"a": 3})
    with pytest.raises(ValueError, match=message):
        probe_fusion(Outputs(**params).build({"a": 3}), {"a": 3})
