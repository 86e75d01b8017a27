import re

import pytest
import torch
from torch import nn

from skmm._random import derive, seeded
from skmm.nn import (
    ConcatFusion,
    Conv1dEncoder,
    ConvEncoder,
    MLPEncoder,
    MLPHead,
    SumFusion,
)
from skmm.nn.assemble import assemble, choose, complete
from tests.toys import MeanEmbedding, Normed, assert_same_state, state_of

SHAPES = {"a": (3,), "b": (4, 4)}


def by_name(*names):
    return seeded(derive(0, *names))


def module_of(encoders=None, shapes=SHAPES, fusion=None, head=None, outputs=2):
    fusion, head = fusion or ConcatFusion(), head or MLPHead()
    templates = complete(encoders, shapes)
    return assemble(templates, fusion, head, shapes, outputs, seeded=by_name)


def rows(n=6, shapes=SHAPES):
    return {name: torch.randn(n, *shape) for name, shape in shapes.items()}


# -- choosing encoders -------------------------------------------------------------


def test_what_is_not_given_is_chosen():
    mine = MLPEncoder((2,))
    templates = complete({"b": mine}, SHAPES)
    assert list(templates) == ["a", "b"]
    assert templates["b"] is mine and type(templates["a"]) is MLPEncoder
    assert type(complete({"b": None}, SHAPES)["b"]) is MLPEncoder
    assert all(type(e) is MLPEncoder for e in complete(None, SHAPES).values())


@pytest.mark.parametrize("one", [MLPEncoder((2,)), nn.Flatten(), nn.Sequential()])
def test_one_encoder_serves_all(one):
    assert all(encoder is one for encoder in complete(one, SHAPES).values())


def test_an_empty_sequential_is_an_encoder_too():
    empty = nn.Sequential()  # falsy, as its length is 0
    assert complete({"a": empty}, {"a": (3,)})["a"] is empty


def test_an_unknown_name_is_corrected():
    with pytest.raises(ValueError, match=r"encoders: unknown modality 'imag'.*'image'"):
        complete({"imag": MLPEncoder()}, {"image": (3,)})


def test_ragged_rows_need_a_choice():
    words = r"modality 'note' has samples of several lengths.*encoders="
    with pytest.raises(ValueError, match=words):
        choose("note", None)


@pytest.mark.parametrize("shape", [(28, 28), (64, 48), (20, 40)])
def test_a_grey_image_without_channels_warns_of_both_readings(shape):
    words = r"'scan'.*X\['scan'\]\[:, None\].*encoders=\{'scan': Conv1dEncoder\(\)\}"
    with pytest.warns(UserWarning, match=words):
        assert type(choose("scan", shape)) is Conv1dEncoder


@pytest.mark.parametrize("shape", [(48, 64, 3), (64, 48, 1), (8, 9, 4)])
def test_channels_last_warn_of_both_readings(shape):
    words = r"'scan'.*moveaxis\(X\['scan'\], -1, 1\).*'scan': ConvEncoder\(\)"
    with pytest.warns(UserWarning, match=words):
        assert type(choose("scan", shape)) is ConvEncoder


@pytest.mark.parametrize(
    "shape, encoder",
    [
        ((3, 100), Conv1dEncoder),
        ((19, 20), Conv1dEncoder),
        ((64, 200), Conv1dEncoder),
        ((8, 8), MLPEncoder),
        ((3, 48, 64), ConvEncoder),
        ((6, 100, 3), ConvEncoder),  # sensors, time, axes
        ((2, 3, 4, 5), MLPEncoder),
    ],
)
def test_clear_shapes_do_not_warn(shape, encoder):
    assert type(choose("scan", shape)) is encoder


def test_the_ambiguous_can_be_named_instead():
    assert complete({"scan": Conv1dEncoder()}, {"scan": (28, 28)})
    assert complete(ConvEncoder(), {"scan": (48, 64, 3)})


# -- building ----------------------------------------------------------------------


def test_templates_stay_as_they_are():
    templates = {"a": MLPEncoder((4,)), "b": MLPEncoder((4,))}
    fusion, head = SumFusion(), MLPHead()
    module = assemble(templates, fusion, head, SHAPES, 2)
    assert not any(b.is_built for b in [*templates.values(), fusion, head])
    assert all(module.encoders[n] is not templates[n] for n in SHAPES)
    assert module.fusion is not fusion and module.head is not head


def test_forward_is_head_of_fusion_of_encoders():
    module, x = module_of(), rows()
    parts = {name: module.encoders[name](x[name]) for name in SHAPES}
    torch.testing.assert_close(module(x), module.head(module.fusion(parts)))
    torch.testing.assert_close(module.fuse(x), module.fusion(parts))
    assert module.widths == {"a": 64, "b": 64}


def test_one_modality_is_the_plain_network():
    module = module_of(MLPEncoder((8,)), {"a": (3,)})
    plain = nn.Sequential(module.encoders["a"], module.head)
    x = rows(shapes={"a": (3,)})
    torch.testing.assert_close(module(x), plain(x["a"]))


def test_a_built_block_keeps_its_weights():
    pretrained = MLPEncoder((4,)).build((3,))
    module = module_of({"a": pretrained})
    assert_same_state(state_of(module.encoders["a"]), state_of(pretrained))
    assert module.encoders["a"] is not pretrained


def test_a_plain_module_is_copied():
    mine = nn.Linear(3, 4)
    module = module_of({"a": mine})
    assert_same_state(state_of(module.encoders["a"]), state_of(mine))
    assert module.encoders["a"] is not mine and module.widths["a"] == 4


def test_a_lazy_module_learns_its_width():
    mine = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    module = module_of({"a": mine})
    assert module.encoders["a"][0].weight.shape == (4, 3)
    assert nn.parameter.is_lazy(mine[0].weight)


def test_finding_the_width_trains_no_batch_norm():
    module = module_of(
        {"a": Normed(), "b": nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16))}
    )
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            assert part.num_batches_tracked == 0 and not part.running_mean.any()
    assert module.training and module.encoders["a"].training


@pytest.mark.parametrize("names", [["a.b", "keys", "training"], ["50%", "x y"]])
def test_names_of_any_kind(names):
    shapes = dict.fromkeys(names, (3,))
    module = module_of(shapes=shapes, fusion=SumFusion(width=5))
    assert module(rows(shapes=shapes)).shape == (6, 2)
    assert list(module.encode(rows(shapes=shapes))) == names


def test_another_modality_does_not_change_how_a_part_starts():
    alone = module_of(shapes={"a": (3,)})
    both = module_of(shapes={"c": (2,), "a": (3,), "b": (4,)})
    assert_same_state(state_of(alone.encoders["a"]), state_of(both.encoders["a"]))
    assert not torch.equal(
        module_of(shapes={"c": (3,)}).encoders["c"].layers[0].weight,
        alone.encoders["a"].layers[0].weight,
    )


# -- errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoder, expected",
    [
        (nn.Linear(7, 4), "encoders['a']: Linear cannot read samples of shape (3,)"),
        (nn.Unflatten(1, (1, 3)), "returned (2, 1, 3) for 2 samples"),
        (nn.LSTM(3, 2), "encoders['a']: LSTM returned tuple for 2 samples"),
    ],
)
def test_a_wrong_encoder_is_named(encoder, expected):
    with pytest.raises(ValueError, match=re.escape(expected)):
        module_of({"a": encoder})


def test_a_wrong_out_features_is_named():
    encoder = MLPEncoder((4,)).build((3,))
    encoder.out_features = 5
    with pytest.raises(ValueError, match=r"returned \(2, 4\).*shape \(2, 5\)"):
        module_of({"a": encoder})


@pytest.mark.parametrize("part", [MLPEncoder, "mlp", 3, lambda x: x])
def test_what_is_no_module_is_no_encoder(part):
    with pytest.raises(TypeError, match=r"encoders\['a'\] must be a Block or torch"):
        module_of({"a": part})


def test_a_class_is_told_to_be_instantiated():
    with pytest.raises(TypeError, match=r"fusion must be a Block.*SumFusion\(\)\."):
        module_of(fusion=SumFusion)
    with pytest.raises(TypeError, match="head must be a Block; got Linear"):
        module_of(head=nn.Linear(3, 2))


def test_parameters_of_parts_are_checked():
    with pytest.raises(ValueError, match="dropout"):
        module_of({"a": MLPEncoder(dropout=2.0)})


# -- missing modalities ------------------------------------------------------------


def test_missing_rows_are_zeros_and_not_read():
    module, x = module_of({"a": MLPEncoder((4,), activation="sigmoid")}), rows()
    present = torch.ones(6, 2, dtype=torch.bool)
    present[1:3, 0] = False
    x["a"][1:3] = torch.nan
    encoded = module.encode(x, present)
    assert not encoded["a"][1:3].any()
    torch.testing.assert_close(encoded["a"][3:], module.encode(x)["a"][3:])
    assert torch.isfinite(module(x, present)).all()


@pytest.mark.parametrize("training", [False, True])
def test_no_row_at_all(training):
    module, x = module_of({"a": Normed(), "b": MLPEncoder((4,))}), rows()
    outputs = module.train(training)(x, torch.zeros(6, 2, dtype=torch.bool))
    assert torch.isfinite(outputs).all() and (outputs == outputs[0]).all()


def test_missing_rows_do_not_enter_a_batch_norm():
    module, x = module_of({"a": Normed()}), rows(8)
    present = torch.ones(8, 2, dtype=torch.bool)
    present[5:, 0] = False
    x["a"][5:] = 1e6
    module.encode(x, present)
    norm = module.encoders["a"].norm
    torch.testing.assert_close(norm.running_mean, 0.1 * x["a"][:5].mean(0))


def test_a_batch_norm_skips_a_single_row():
    module, x = module_of({"a": Normed()}), rows()
    present = torch.ones(6, 2, dtype=torch.bool)
    present[1:, 0] = False
    assert not module.encode(x, present)["a"].any()
    assert module.encoders["a"].norm.num_batches_tracked == 0
    assert module.eval().encode(x, present)["a"][0].any()


def test_a_missing_modality_gets_no_gradient():
    module, x = module_of(), rows()
    present = torch.ones(6, 2, dtype=torch.bool)
    present[:, 0] = False
    module(x, present).sum().backward()
    assert all(p.grad is None for p in module.encoders["a"].parameters())
    assert all(p.grad is not None for p in module.encoders["b"].parameters())


def test_tokens_of_any_length():
    shapes = {"note": (), "a": (3,)}
    module = module_of({"note": MeanEmbedding()}, shapes)
    x = {"a": torch.zeros(2, 3), "note": torch.tensor([[5, 7, 0], [0, 0, 0]])}
    encoded = module.encode(x)["note"]
    table = module.encoders["note"].table.weight
    torch.testing.assert_close(encoded[0], table[[5, 7]].mean(0))
    assert not encoded[1].any()
