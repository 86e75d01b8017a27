"""Mixtures: which they are, what they merge, and what a row without a modality does."""

import pytest
import torch

from skmm import nn
from skmm.nn.fusion.mixtures import choose_mixtures

PARTS = {name: torch.randn(4, 3) for name in "abc"}
WIDTHS = dict.fromkeys("abc", 3)
PRESENT = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 3), (3, 7), (6, 63)])
def test_all_mixtures(count, expected):
    names = list("abcdef"[:count])
    mixtures = choose_mixtures("all", names)
    assert len(mixtures) == len(set(mixtures)) == expected
    assert mixtures[0] == ("a",) and mixtures[-1] == tuple(names)


def test_choices():
    names = list("abc")
    assert choose_mixtures("singletons", names) == [("a",), ("b",), ("c",)]
    assert choose_mixtures("full", names) == [("a", "b", "c")]
    assert choose_mixtures([("c", "a"), "b", ["a"]], names) == [
        ("a",),
        ("b",),
        ("a", "c"),
    ]
    assert len(choose_mixtures("all", list("abcdefgh"), 2)) == 8 + 28
    assert choose_mixtures("all", names, 9) == choose_mixtures("all", names)


@pytest.mark.parametrize(
    ("mixtures", "order", "match"),
    [
        ([], None, "non-empty subsets"),
        ([("a",), ()], None, "non-empty subsets"),
        ([("a", "d")], None, "unknown modality 'd'"),
        ([("a", "b"), ("b", "a")], None, "twice"),
        ([("a", "b")], None, r"none of the mixtures has \['c'\]"),
        ("full", 2, "max_order=2 is only used when mixtures='all'"),
    ],
)
def test_bad_choices(mixtures, order, match):
    with pytest.raises(ValueError, match=match):
        choose_mixtures(mixtures, list("abc"), order)


def test_too_many_modalities_name_max_order():
    with pytest.raises(ValueError, match=r"7 modalities have 127 mixtures.*max_order"):
        choose_mixtures("all", list("abcdefg"))


@pytest.mark.parametrize("merge", ["sum", "mean", "concat"])
def test_every_mixture_merges_its_own(merge):
    fuse = nn.MixtureFusion(merge=merge).build(WIDTHS)
    merged, available = fuse(PARTS).values()
    assert available.all() and fuse.out_features == merged[0].numel()
    join = {"sum": sum, "mean": lambda parts: sum(parts) / len(parts)}
    for c, mix in enumerate(fuse.mixtures_):
        if merge == "concat":
            parts = [PARTS[n] if n in mix else torch.zeros(4, 3) for n in "abc"]
            expected = torch.cat(parts, 1)
        else:
            expected = join[merge]([PARTS[n] for n in mix])
        torch.testing.assert_close(merged[:, c], expected)


@pytest.mark.parametrize("merge", ["sum", "mean", "concat"])
def test_missing_modalities(merge):
    fuse = nn.MixtureFusion(merge=merge).build(WIDTHS)
    merged, available = fuse(PARTS, PRESENT).values()
    whole = fuse(PARTS)["mixtures"]
    for row in range(3):
        has = {n for n, there in zip("abc", PRESENT[row], strict=True) if there}
        complete = torch.tensor([set(mix) <= has for mix in fuse.mixtures_])
        assert available[row].equal(complete)
        torch.testing.assert_close(merged[row, complete], whole[row, complete])
    assert available[3].all() and not merged[3].any()


def test_content_of_the_missing_has_no_influence():
    wild = {
        n: torch.where(PRESENT[:, [i]], p, torch.nan)
        for i, (n, p) in enumerate(PARTS.items())
    }
    for merge in ("sum", "mean", "concat"):
        fuse = nn.MixtureFusion(merge=merge).build(WIDTHS)
        merged = fuse(wild, PRESENT)["mixtures"]
        assert merged.equal(fuse(PARTS, PRESENT)["mixtures"])


def test_no_complete_mixture_takes_what_there_is():
    fuse = nn.MixtureFusion("full").build(WIDTHS)
    merged, available = fuse(PARTS, PRESENT).values()
    assert available.all()
    torch.testing.assert_close(merged[1, 0], PARTS["a"][1] + PARTS["c"][1])


def test_a_mean_is_of_what_there_is():
    fuse = nn.MixtureFusion("full", merge="mean").build(WIDTHS)
    mean = nn.MeanFusion().build(WIDTHS)(PARTS, PRESENT)
    torch.testing.assert_close(fuse(PARTS, PRESENT)["mixtures"][:, 0], mean)


def test_a_head_for_another_number_of_mixtures():
    with pytest.raises(ValueError, match=r"MixtureHead\(3\) needs"):
        nn.MixtureHead(3).build((20, 6))


def test_widths():
    widths = {"a": 3, "b": 5}
    assert nn.MixtureFusion().build(widths).out_features == 3 * 5
    assert nn.MixtureFusion(width=4).build(widths).out_features == 3 * 4
    joined = nn.MixtureFusion(merge="concat").build(widths)
    assert joined.out_features == 3 * 8
    assert not list(joined.parameters())


def head(batched, inner=None):
    torch.manual_seed(0)
    inner = nn.MLPHead((6,), dropout=0.0) if inner is None else inner
    return nn.MixtureHead(3, inner, batched=batched).build((3 * 4, 3 * 2))


def test_batched_heads_are_the_heads_one_by_one():
    x = {"mixtures": torch.randn(8, 3, 4), "available": torch.rand(8, 3) > 0.2}
    batched, single = head(True), head(False)
    out = batched(x)
    torch.testing.assert_close(out, single(x))
    assert out["available"].equal(x["available"])
    second = single.heads[1](x["mixtures"][:, 1])
    torch.testing.assert_close(out["logits"][:, 1], second)
    weights = [sum(p.numel() for p in h.parameters()) for h in (batched, single)]
    assert weights[0] == weights[1]


def test_heads_that_cannot_be_batched_work_too():
    class Own(nn.Block):
        def build(self, in_shape):
            self.layer = torch.nn.Linear(*in_shape)
            self.norm = torch.nn.BatchNorm1d(in_shape[1])
            self.out_features = in_shape[1]
            return self

        def forward(self, x):
            return self.norm(self.layer(x))

    made = head(True, Own())
    assert isinstance(made.heads, torch.nn.ModuleList)
    x = {"mixtures": torch.ones(4, 3, 4), "available": torch.ones(4, 3).bool()}
    assert made(x)["logits"].shape == (4, 3, 2)
