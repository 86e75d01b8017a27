import pytest
import torch

from skmm.nn import MLPEncoder, SideBySideFusion

PARTS = {"a": torch.rand(4, 3), "b": torch.rand(4, 3)}
WIDTHS = {"a": 3, "b": 3}


def test_embeddings_are_stacked_with_the_mask():
    out = SideBySideFusion().build(WIDTHS)(PARTS)
    assert torch.equal(out["embeddings"], torch.stack([PARTS["a"], PARTS["b"]], 1))
    assert torch.equal(out["present"], torch.ones(4, 2, dtype=torch.bool))


def test_missing_embeddings_have_no_influence():
    present = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 0]], dtype=torch.bool)
    fuse = SideBySideFusion((5, 2)).build(WIDTHS)
    out = fuse(PARTS, present)
    assert torch.equal(out["present"], present)
    other = {
        n: x.masked_fill(~present[:, [i]], 9.0)
        for i, (n, x) in enumerate(PARTS.items())
    }
    assert torch.equal(fuse(other, present)["embeddings"], out["embeddings"])


@pytest.mark.parametrize(
    ("projector", "parameters"),
    [((2,), 3 * 2 + 2 + 4 * 2 + 2), ((5, 2), 6 * 2 + 6 * 2 + 20 + 25)],
)
def test_projectors_are_linear_at_the_end(projector, parameters):
    fuse = SideBySideFusion(projector).build({"a": 3, "b": 4})
    assert sum(p.numel() for p in fuse.parameters()) == parameters
    assert fuse.out_features == 2 * 2
    parts = {"a": torch.randn(50, 3), "b": torch.randn(50, 4)}
    assert (fuse(parts)["embeddings"] < 0).any()


def test_a_block_projects_as_an_encoder():
    fuse = SideBySideFusion(MLPEncoder((7,))).build({"a": 3, "b": 4})
    parts = {"a": torch.randn(5, 3), "b": torch.randn(5, 4)}
    assert fuse(parts)["embeddings"].shape == (5, 2, 7)
    assert (fuse(parts)["embeddings"] >= 0).all()


def test_unequal_widths_become_the_smallest():
    fuse = SideBySideFusion().build({"a": 3, "b": 4})
    assert fuse.out_features == 2 * 3
    assert [part.predict.in_features for _, part in fuse.maps.items()] == [3, 4]


class Same(MLPEncoder):
    """Keeps the width."""

    def build(self, in_shape):
        self.hidden = in_shape
        return super().build(in_shape)


def test_bad_input():
    with pytest.raises(ValueError, match=r"'b': 4.*projector=\(3,\)"):
        SideBySideFusion(Same()).build({"a": 3, "b": 4})
    with pytest.raises(ValueError, match="projector"):
        SideBySideFusion((0,)).build(WIDTHS)
