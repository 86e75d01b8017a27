"""Default search spaces of estimators."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ParameterSampler
from sklearn.pipeline import make_pipeline

import skmm
from skmm import nn
from skmm.base.search_space import search_space_of
from skmm.preprocessing import ModalityTransformer
from tests.toys import MeanEmbedding, two_tables

APART = {"MixtureFusion", "SideBySideFusion"}  # of other estimators


def test_space_includes_published_learning_rates():
    space = skmm.FusionClassifier().default_search_space()
    low, high = space["lr"].support()
    assert low <= 6e-5 and high >= 1e-3
    assert {16, 32, 64} <= {*space["batch_size"]}


def test_space_includes_current_values():
    model = skmm.FusionClassifier(
        {"a": nn.MLPEncoder((7, 3), dropout=0.8)}, lr=0.05, batch_size=5
    )
    space = model.default_search_space()
    assert space["lr"].support()[1] == 0.05
    assert space["batch_size"][0] == 5
    assert space["encoders__a__hidden"][0] == (7, 3)
    assert space["encoders__a__dropout"].support()[1] == pytest.approx(0.8)


def test_learning_rates_of_sgd_are_larger():
    sgd = skmm.FusionClassifier(optimizer="sgd").default_search_space()["lr"]
    adam = skmm.FusionClassifier().default_search_space()["lr"]
    assert sgd.median() > 10 * adam.median()


def test_rates_by_part_are_not_searched():
    model = skmm.FusionClassifier(lr={"head": 1e-2}, weight_decay={"head": 1e-3})
    assert not {"lr", "weight_decay"} & {*model.default_search_space()}


def test_encoders_of_modalities_in_use_only():
    parts = {"a": nn.MLPEncoder(), "b": nn.MLPEncoder()}
    space = skmm.FusionClassifier(parts, modalities=["a"]).default_search_space()
    assert "encoders__a__hidden" in space
    assert not any(name.startswith("encoders__b") for name in space)
    assert "fusion" not in space  # one modality has nothing to fuse


def test_a_built_block_and_a_plain_module_have_nothing_to_search():
    parts = {"a": nn.MLPEncoder().build((3,)), "b": torch.nn.Identity()}
    space = skmm.FusionClassifier(parts).default_search_space()
    assert not any(name.startswith("encoders") for name in space)


def test_a_block_of_the_user_with_a_search_space():
    class Own(MeanEmbedding):
        search_space = {"width": [2, 4], "dropout": (0.0, 0.5)}

        def __init__(self, width=3, dropout=0.8):
            super().__init__(width)
            self.dropout = dropout

    space = skmm.FusionClassifier({"a": Own()}).default_search_space()
    assert space["encoders__a__width"] == [3, 2, 4]
    assert space["encoders__a__dropout"].support() == pytest.approx((0.0, 0.8))
    assert Own.search_space["width"] == [2, 4]


def test_a_block_of_the_user_with_a_method_default_search_space():
    class Own(MeanEmbedding):
        search_space = {"width": [8]}

        def default_search_space(self):
            return {"width": [2, 4]}

    space = skmm.FusionClassifier({"a": Own()}).default_search_space()
    assert space["encoders__a__width"] == [2, 4]


def test_a_subclass_inherits_the_search_space_of_its_own_parameters():
    class Own(nn.MLPEncoder):
        def __init__(self, hidden=(64,)):
            super().__init__(hidden)

    space = skmm.FusionClassifier({"a": Own()}).default_search_space()
    names = {name for name in space if name.startswith("encoders")}
    assert names == {"encoders__a__hidden"}


def test_a_search_space_of_an_unknown_parameter_raises():
    class Own(MeanEmbedding):
        search_space = {"widht": [2, 4]}

    with pytest.raises(ValueError, match="'widht', which is not a parameter of Own"):
        skmm.FusionClassifier({"a": Own()}).default_search_space()


def test_a_fusion_by_name_becomes_whole_blocks_and_a_block_its_parameters():
    by_name = skmm.FusionClassifier(fusion="max").default_search_space()
    assert isinstance(by_name["fusion"][0], nn.MaxFusion)
    assert all(f.get_params().get("width", 0) is not None for f in by_name["fusion"])
    block = skmm.FusionClassifier(fusion=nn.MeanFusion(8)).default_search_space()
    assert block["fusion__width"][0] == 8 and "fusion" not in block


def test_all_fusions_take_encoders_of_different_widths():
    X, y = two_tables()
    parts = {"a": nn.MLPEncoder((4,)), "b": nn.MLPEncoder((6,))}
    model = skmm.FusionClassifier(parts, max_epochs=1, random_state=0)
    for fusion in model.default_search_space()["fusion"]:
        model.set_params(fusion=fusion).fit(X, y)


def test_late_fusion_offers_rules_that_read_what_is_set():
    rules = skmm.LateFusionClassifier().default_search_space()["rule"]
    assert {"mean", "product", "stack"} <= {*rules}
    weighted = skmm.LateFusionClassifier(weights={"a": 2}).default_search_space()
    assert {*weighted["rule"]} == {"mean", "logit", "vote"}


def test_late_fusion_has_the_spaces_of_its_members():
    members = {"a": skmm.FusionClassifier(), "b": LogisticRegression()}
    space = skmm.LateFusionClassifier(members).default_search_space()
    assert "estimators__a__lr" in space
    assert not any(name.startswith("estimators__b") for name in space)
    one = skmm.LateFusionClassifier(skmm.FusionClassifier()).default_search_space()
    assert "estimators__lr" in one


def test_the_thesis_with_two_encoders_keeps_their_widths_equal():
    parts = {"a": nn.MLPEncoder(), "b": nn.MLPEncoder()}
    space = skmm.NoHarmFusionClassifier(parts, guarantee=None).default_search_space()
    assert "encoders__a__dropout" in space and "encoders__a__hidden" not in space
    free = skmm.NoHarmFusionClassifier(parts).default_search_space()
    assert "encoders__a__hidden" in free


def test_names_get_the_prefixes_of_pipelines_and_searches():
    pipeline = make_pipeline(ModalityTransformer({}), skmm.FusionClassifier())
    assert "fusionclassifier__lr" in search_space_of(pipeline)
    search = GridSearchCV(pipeline, {})
    space = search_space_of(search)
    assert "estimator__fusionclassifier__lr" in space
    assert {*space} <= {*search.get_params()}


def test_empty_space():
    assert search_space_of(LogisticRegression()) == {}


def test_the_space_is_new_at_every_call():
    model = skmm.FusionClassifier()
    model.default_search_space()["batch_size"].clear()
    assert model.default_search_space()["batch_size"]
    assert np.isfinite(model.default_search_space()["lr"].rvs(random_state=0))


@pytest.mark.parametrize("name", sorted(set(nn.fusion.__all__) - APART))
def test_every_fusion_can_be_searched(name):
    X, y = two_tables(40)
    fusion, settings = getattr(nn, name)(), {"max_epochs": 1, "random_state": 0}
    model = skmm.FusionClassifier(nn.MLPEncoder((16,)), fusion=fusion, **settings)
    for params in ParameterSampler(model.default_search_space(), 2, random_state=0):
        clone(model).set_params(**params).fit(X, y)


def test_a_fusion_with_its_own_head_has_no_other():
    for fusion in ("lp_norm", nn.LpNormFusion()):
        space = skmm.FusionClassifier(fusion=fusion).default_search_space()
        assert not {"head", "fusion"} & set(space)
