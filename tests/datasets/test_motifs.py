"""DNA motifs and sentiments: what is planted is there, and nothing else."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.linear_model import LinearRegression

from skmm.datasets import make_dna_motif, make_sentiment_like, motifs


def words(rows):
    """One-hot (n, 4, length) as strings."""
    return ["".join("ACGT"[i] for i in row) for row in rows.argmax(1)]


@pytest.mark.parametrize("length, motif_length", [(100, 8), (20, 3)])
def test_the_motif_is_there_iff_the_class_says_so(length, motif_length):
    X, y, info = make_dna_motif(
        300, length=length, motif_length=motif_length, random_state=0, return_info=True
    )
    assert (X["gene"].sum(1) == 1).all() and X["gene"].dtype == np.float32
    there = [info.motifs["gene"] in word for word in words(X["gene"])]
    np.testing.assert_array_equal(there, y == 1)
    assert 0.4 < y.mean() < 0.6 and len(info.motifs["gene"]) == motif_length


def copies(word, motif):
    """How often a motif stands in a word, overlaps included."""
    return sum(word.startswith(motif, i) for i in range(len(word)))


@pytest.mark.parametrize("length, motif_length", [(4, 2), (12, 2), (20, 3), (50, 6)])
def test_a_motif_stands_once(length, motif_length):
    """Also one that overlaps itself, as AA in AAA."""
    settings = {"length": length, "motif_length": motif_length, "return_info": True}
    for seed in range(20):
        X, y, info = make_dna_motif(300, random_state=seed, **settings)
        found = [copies(word, info.motifs["gene"]) for word in words(X["gene"])]
        np.testing.assert_array_equal(found, y)


@pytest.mark.parametrize("motif_length", [2, 3, 4])
def test_sequences_that_hold_short_motifs_by_chance(motif_length):
    """Of a thousand letters nearly all hold every motif of three."""
    X, y, info = make_dna_motif(
        50, length=1000, motif_length=motif_length, random_state=0, return_info=True
    )
    found = [copies(word, info.motifs["gene"]) for word in words(X["gene"])]
    np.testing.assert_array_equal(found, y)
    letters = X["gene"].mean(axis=(0, 2))
    assert letters.min() > 0.1  # all of them occur


@pytest.mark.parametrize("draw", [motifs._free, motifs._letter_by_letter])
@pytest.mark.parametrize("motif", [(0, 0), (3, 1), (2, 1, 2)])
def test_sequences_without_a_motif_are_all_as_likely(draw, motif):
    rows = draw(np.random.RandomState(0), 40_000, np.array(motif), 4)
    drawn, counts = np.unique(rows, axis=0, return_counts=True)
    text = "".join(map(str, motif))
    allowed = [
        w for w in product(range(4), repeat=4) if text not in "".join(map(str, w))
    ]
    np.testing.assert_array_equal(drawn, allowed)
    assert chisquare(counts).pvalue > 0.001


def test_only_rows_that_held_a_motif_twice_are_drawn_anew():
    rows = np.array([[0, 0, 0, 1, 2], [1, 2, 3, 0, 0], [1, 2, 1, 2, 1]])
    mended = rows.copy()
    motifs._mend(np.random.RandomState(0), mended, np.array([0, 0]))
    assert copies("".join(map(str, mended[0])), "00") == 1
    np.testing.assert_array_equal(mended[1:], rows[1:])


def test_xor_is_of_two_motifs():
    X, y, info = make_dna_motif(
        400, "xor", n_irrelevant=2, random_state=1, return_info=True
    )
    assert list(X) == ["gene", "enhancer", "random0", "random1"]
    there = {n: np.array([m in w for w in words(X[n])]) for n, m in info.motifs.items()}
    np.testing.assert_array_equal(there["gene"] ^ there["enhancer"], y == 1)
    for name, holds in info.holds.items():
        np.testing.assert_array_equal(there[name], holds)
        assert abs(np.corrcoef(holds, y)[0, 1]) < 0.15


def test_positions_differ():
    X, _, info = make_dna_motif(200, random_state=0, return_info=True)
    places = {w.find(info.motifs["gene"]) for w in words(X["gene"])} - {-1}
    assert len(places) > 40 and max(places) > 80


def test_motifs_must_fit():
    with pytest.raises(ValueError, match="motif_length=11 is more than half"):
        make_dna_motif(10, length=20, motif_length=11)
    assert np.array_equal(*(make_dna_motif(9, random_state=3)[1] for _ in range(2)))


def test_shares_are_what_a_linear_model_finds():
    X, y, info = make_sentiment_like(
        20_000, (3, 1.5, 0.5), noise=0.2, random_state=0, return_info=True
    )
    assert info.shares == {"text": 0.6, "audio": 0.3, "video": 0.1}
    joined = np.hstack(list(X.values()))
    total = LinearRegression().fit(joined, y).score(joined, y)
    for name, share in info.shares.items():
        alone = LinearRegression().fit(X[name], y).score(X[name], y)
        assert alone / total == pytest.approx(share, abs=0.03)
    assert np.abs(y).max() <= 3


@pytest.mark.parametrize(
    "shares",
    [
        *((1, 2), (1, -1, 1), (0, 0, 0), (np.inf, 1, 1), (np.nan, 1, 1)),
        *((1e308, 1e308, 1e308), ((1,), (2,), (3,)), (1, (2, 3), 1), ("1", 2, 3)),
    ],
)
def test_shares_that_are_none(shares):
    with pytest.raises(
        ValueError, match=r"three finite non-negative numbers.*'text', 'audio', 'v"
    ):
        make_sentiment_like(10, shares)
