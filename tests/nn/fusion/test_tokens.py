"""Fusions and encoders of tokens: masks, positions, limits of attention."""

import numpy as np
import pytest
import torch

from skmm import FusionClassifier, ModalityDict
from skmm.data.tensors import to_rows
from skmm.nn import (
    ConcatFusion,
    CrossAttentionFusion,
    MLPEncoder,
    MLPHead,
    PatchTokens,
    SelfAttentionFusion,
    SequenceTokens,
    TransformerFusion,
)
from skmm.training import predict_outputs

MAKERS = {
    "cross": lambda: CrossAttentionFusion(8, heads=2),
    "self": lambda: SelfAttentionFusion(8, heads=2),
    "transformer": lambda: TransformerFusion(8, heads=2, layers=2),
}
every_fusion = pytest.mark.parametrize("name", MAKERS)


def made(name):
    torch.manual_seed(0)
    block = MAKERS[name]().build({"a": 4, "b": 3}).double().eval()
    for weight in block.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return block


def tokens(batch=5, lengths=(6, 4)):
    generator = torch.Generator().manual_seed(1)
    shapes = {"a": (batch, lengths[0], 4), "b": (batch, lengths[1], 3)}
    return {
        n: torch.randn(shape, generator=generator, dtype=torch.float64)
        for n, shape in shapes.items()
    }


@every_fusion
def test_padding_has_no_influence(name):
    block, parts = made(name), tokens()
    padded = {n: torch.nn.functional.pad(p, (0, 0, 0, 3)) for n, p in parts.items()}
    torch.testing.assert_close(block(padded), block(parts))


@every_fusion
def test_the_order_of_tokens_does_not_matter(name):
    block, parts = made(name), tokens()
    turned = {n: p.flip(1) for n, p in parts.items()}
    torch.testing.assert_close(block(turned), block(parts))


@every_fusion
def test_what_is_missing_has_no_influence(name):
    block, parts = made(name), tokens()
    present = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]]).bool()
    other = {n: p.clone() for n, p in parts.items()}
    for i, n in enumerate("ab"):
        other[n][~present[:, i]] = 1e6
    torch.testing.assert_close(block(other, present), block(parts, present))


@every_fusion
def test_one_token_may_come_without_its_axis(name):
    block, parts = made(name), tokens(lengths=(1, 1))
    vectors = {n: p[:, 0] for n, p in parts.items()}
    torch.testing.assert_close(block(vectors), block(parts))


@pytest.mark.parametrize("name", ["cross", "self"])
def test_weights_sum_to_one_over_present_modalities(name):
    block, parts = made(name), tokens()
    parts["b"][0, 2:] = 0.0  # padding
    present = torch.ones(5, 2).bool()
    present[1, 1] = False
    for (_, key), weights in block.weights(parts, present).items():
        total = weights.sum(-1)
        known = torch.ones(5).double()
        known[1] = float(key != "b")
        torch.testing.assert_close(total, known[:, None].expand_as(total))
        if key == "b":
            assert (weights[0, :, 2:] == 0).all()


def value(attention, token):
    """What multi-head attention makes of a single key."""
    attend = attention.attend
    weight, bias = attend.in_proj_weight.chunk(3)[2], attend.in_proj_bias.chunk(3)[2]
    return attend.out_proj(token @ weight.T + bias)


def test_attention_to_one_key_is_its_value():
    block, parts = made("cross"), tokens(lengths=(6, 1))
    expected = value(block.attentions[0], block.maps["b"](parts["b"][:, 0]))
    assert block.pairs[0] == ("a", "b")
    torch.testing.assert_close(block(parts)[:, :8], expected)
    other = block({**parts, "a": 2 * parts["a"]})
    torch.testing.assert_close(other[:, :8], expected)  # whatever the query


def test_equal_keys_also_give_their_value():
    block, parts = made("cross"), tokens()
    parts["b"] = parts["b"][:, :1].expand(-1, 4, -1)
    other = block({**parts, "a": 2 * parts["a"]})
    torch.testing.assert_close(other[:, :8], block(parts)[:, :8])


def test_intra_attention_does_not_see_the_other():
    block, parts = made("self"), tokens()
    other = block({**parts, "b": parts["b"] + 1})
    torch.testing.assert_close(other[:, :8], block(parts)[:, :8])
    assert not torch.allclose(other[:, 8:], block(parts)[:, 8:])


def test_inter_of_the_same_is_intra():
    inter = CrossAttentionFusion(8, heads=2).build({"a": 4, "b": 4}).double()
    intra = SelfAttentionFusion(8, heads=2).build({"a": 4, "b": 4}).double()
    intra.maps["a"].load_state_dict(inter.maps["a"].state_dict())
    inter.maps["b"].load_state_dict(inter.maps["a"].state_dict())
    intra.attentions[0].load_state_dict(inter.attentions[0].state_dict())
    a = tokens()["a"]
    expected = intra({"a": a, "b": a})[:, :8]
    torch.testing.assert_close(inter({"a": a, "b": a})[:, :8], expected)


def test_without_kinds_modalities_of_one_type_may_change_places():
    block = TransformerFusion(8, heads=2).build({"a": 4, "b": 4}).double().eval()
    block.maps["b"].load_state_dict(block.maps["a"].state_dict())
    a, b = tokens()["a"], tokens(lengths=(3, 3))["a"]
    assert not torch.allclose(block({"a": a, "b": b}), block({"a": b, "b": a}))
    block.kinds.data[1:] = 0.0
    torch.testing.assert_close(block({"a": a, "b": b}), block({"a": b, "b": a}))


def test_cross_attention_needs_two_modalities():
    with pytest.raises(ValueError, match=r"at least two modalities; got \['a'\]"):
        CrossAttentionFusion().build({"a": 3})
    with pytest.raises(ValueError, match="multiple of heads=4; got width=10"):
        TransformerFusion(10).build({"a": 3})


def test_patches_are_those_of_a_loop():
    read = PatchTokens(3, width=5).build((2, 7, 6))
    x = torch.randn(4, 2, 7, 6)
    padded = torch.nn.functional.pad(x, (0, 0, 0, 2))
    weight = read.map.weight.flatten(1)
    expected = [
        padded[:, :, i : i + 3, j : j + 3].flatten(1) @ weight.T + read.map.bias
        for i in (0, 3, 6)
        for j in (0, 3)
    ]
    torch.testing.assert_close(read(x), torch.stack(expected, 1) + read.places)


def test_padding_is_not_read():
    read = SequenceTokens(6).build(())
    texts = torch.tensor([[98, 99, 0, 0], [5, 6, 7, 8]])
    found = read(texts)
    assert (found[0, 2:] == 0).all() and (found[0, :2] != 0).any(1).all()
    torch.testing.assert_close(read(texts[:1, :2]), found[:1, :2])
    assert SequenceTokens(6, max_length=3).build(())(texts).shape == (2, 3, 6)


@pytest.mark.parametrize("width", [8, 5])
def test_positions_are_those_of_the_paper(width):
    """PE(t, 2i) = sin(t / 10000^(2i / d)), PE(t, 2i + 1) the cosine."""
    read = SequenceTokens(width).build((1, 30)).double()
    torch.nn.init.zeros_(read.map.weight)
    torch.nn.init.zeros_(read.map.bias)
    place, unit = np.ogrid[:30, :width]
    angle = place / 10000.0 ** (unit // 2 * 2 / width)
    expected = np.where(unit % 2, np.cos(angle), np.sin(angle))
    found = read(torch.randn(2, 1, 30).double()).detach().numpy()
    np.testing.assert_allclose(found, np.stack([expected] * 2), atol=1e-12)
    text = SequenceTokens(width).build(()).double()
    torch.nn.init.zeros_(text.map.weight)
    found = text(torch.full((1, 30), 65)).detach().numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_steps_of_sequences():
    x = torch.randn(4, 2, 7)
    read = SequenceTokens(6, patch=3).build((2, 7))
    assert read(x).shape == (4, 3, 6)
    assert SequenceTokens(6).build((7,))(x[:, 0]).shape == (4, 7, 6)
    assert not torch.allclose(read(x[:, :, :3]), read(x[:, :, 3:6]))
    same = SequenceTokens(6).build((1, 5))(torch.ones(1, 1, 5))
    assert len(torch.unique(same[0].detach(), dim=0)) == 5  # places differ


@pytest.mark.parametrize(
    ("template", "shape", "match"),
    [
        (
            PatchTokens(),
            (5,),
            r"\(channels, height, width\); got samples of shape \(5,\)",
        ),
        (SequenceTokens(), (1, 2, 3), r"got samples of shape \(1, 2, 3\)"),
        (SequenceTokens(patch=2), (), "patch must be 1 for text.*got patch=2"),
    ],
)
def test_shapes_that_raise(template, shape, match):
    with pytest.raises(ValueError, match=match):
        template.build(shape)


def mixed(n=60):
    rng = np.random.default_rng(0)
    words = np.array(["deep", "a", "", "learning"])
    X = ModalityDict(
        image=rng.normal(size=(n, 1, 8, 8)),
        word=words[rng.integers(4, size=n)].tolist(),
        table=rng.normal(size=(n, 3)),
    )
    return X, (X["table"][:, 0] > 0).astype(int)


ENCODERS = {"image": PatchTokens(4), "word": SequenceTokens(), "table": MLPEncoder()}


@every_fusion
def test_in_an_estimator_with_missing_modalities(name):
    X, y = mixed()
    X = X.with_missing("image", slice(10)).with_missing("word", slice(5, 15))
    model = FusionClassifier(
        ENCODERS, fusion=MAKERS[name](), max_epochs=8, lr=0.01, random_state=0
    ).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.embed(X)["image"].shape == (60, 4, 64)
    some = model.predict_proba(X[[3, 40]])
    np.testing.assert_allclose(some, model.predict_proba(X)[[3, 40]], atol=1e-5)


def test_tokens_need_a_fusion_of_tokens():
    X, y = mixed(20)
    with pytest.raises(
        ValueError, match=r"\['image', 'word'\] return several tokens.*Transformer"
    ):
        FusionClassifier(ENCODERS, fusion=ConcatFusion()).fit(X, y)


def test_cross_attention_finds_the_place_that_the_other_names():
    """y is a pixel of the image; the table says which: a product of the two."""
    rng = np.random.default_rng(0)
    image, place = rng.choice([-1.0, 1.0], (1500, 1, 4, 4)), rng.integers(4, size=1500)
    y = image[:, 0, ::2, ::2].reshape(-1, 4)[np.arange(1500), place] > 0
    X = ModalityDict(image=image, table=np.eye(4)[place])
    encoders = {"image": PatchTokens(2, width=32), "table": MLPEncoder((32,))}
    settings = {"max_epochs": 40, "lr": 0.005, "random_state": 0, "head": MLPHead(())}
    scores = {}
    for fusion in (CrossAttentionFusion(32), SelfAttentionFusion(32)):
        model = FusionClassifier(encoders, fusion=fusion, **settings)
        model.fit(X[:1000], y[:1000])
        scores[type(fusion).__name__] = model.score(X[1000:], y[1000:])
    assert scores["CrossAttentionFusion"] > 0.9, scores
    assert scores["SelfAttentionFusion"] < 0.8, scores  # it adds


def test_slices_that_all_lack_a_modality_have_as_many_tokens():
    X, y = mixed()
    lacking = X.with_missing("image", np.arange(60) < 20)
    model = FusionClassifier(ENCODERS, fusion="transformer", max_epochs=1)
    module = model.fit(lacking, y).net_.module_
    rows = to_rows(lacking, module, "cpu")
    slices = predict_outputs(module, rows, batch_size=10, method="encode")["image"]
    torch.testing.assert_close(slices, module.encode(rows.x, rows.present)["image"])
    assert not slices[:20].any() and slices[20:].any(-1).all()
    module.train().encode(rows.take(slice(0, 10)).x, rows.present[:10])
    assert module.encoders["image"].training
