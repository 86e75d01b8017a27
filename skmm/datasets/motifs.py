"""Sequences of DNA whose class depends on a motif."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict

LETTERS = "ACGT"
TRIES = 10  # attempts to draw whole sequences without the motif
CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "kind": [StrOptions({"motif", "xor"})],
    "length": [Interval(Integral, 2, None, closed="left")],
    "motif_length": [Interval(Integral, 2, None, closed="left")],
    "n_irrelevant": [Interval(Integral, 0, None, closed="left")],
    "random_state": ["random_state"],
    "return_info": ["boolean"],
}


def make_dna_motif(
    n_samples=2000,
    kind="motif",
    *,
    length=100,
    motif_length=8,
    n_irrelevant=1,
    random_state=None,
    return_info=False,
):
    """Make sequences of DNA with and without a motif, and random sequences.

    Parameters
    ----------
    n_samples : int, default=2000
    kind : {"motif", "xor"}, default="motif"
        "motif": y is 1 if "gene" contains a motif. "xor": y is 1 if exactly one of
        "gene" and "enhancer" contains its motif, so that neither is informative alone.
    length : int, default=100
        Length of every sequence.
    motif_length : int, default=8
        Length of a motif. About half of the sequences contain it exactly once, at a
        random position; the others do not contain it, not even by chance.
    n_irrelevant : int, default=1
        Number of additional random modalities "random0", "random1", ...
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        Arrays of float32 of shape (n_samples, 4, length), one-hot with the channels A,
        C, G, T.
    y : ndarray of shape (n_samples,)
        0 or 1.
    info : Bunch, if `return_info`
        - motifs : dict of str to str, by modality
        - holds : dict of str to ndarray (n_samples,) of bool

    Raises
    ------
    ValueError
        If a motif is longer than half a sequence.

    References
    ----------
    The synthetic experiment of Varshneya et al., "InTense", IJCAI 2024. The length of
    its motif is not reported.

    Examples
    --------
    >>> from skmm.datasets import make_dna_motif
    >>> X, y = make_dna_motif(50, random_state=0)
    >>> list(X), X["gene"].shape
    (['gene', 'random0'], (50, 4, 100))
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "make_dna_motif")
    if motif_length > length // 2:
        raise ValueError(
            f"motif_length={motif_length} is more than half of length={length}."
        )
    rng = check_random_state(random_state)
    sources = ["gene", "enhancer"] if kind == "xor" else ["gene"]
    motifs = {name: rng.randint(4, size=motif_length) for name in sources}
    holds = {name: rng.randint(2, size=n_samples) == 1 for name in sources}
    letters = {
        name: _sequences(rng, holds[name], motifs[name], length) for name in sources
    }
    for i in range(n_irrelevant):
        letters[f"random{i}"] = rng.randint(4, size=(n_samples, length))
    for name, motif in motifs.items():
        _mend(rng, letters[name], motif)
    X = ModalityDict({name: _one_hot(rows) for name, rows in letters.items()})
    y = np.logical_xor.reduce(list(holds.values())).astype(int)
    if not return_info:
        return X, y
    words = {name: "".join(LETTERS[i] for i in m) for name, m in motifs.items()}
    return X, y, Bunch(motifs=words, holds=holds)


def _sequences(rng, holds, motif, length):
    """Letters (n_samples, length), with the motif only where `holds` is True."""
    rows = _free(rng, len(holds), motif, length)
    places = _places(rng, len(holds), motif, length)
    rows[holds] = _planted(rows[holds], places[holds], motif)
    return rows


def _mend(rng, rows, motif):
    """Redraw sequences in which a planted motif created a second one."""
    length = rows.shape[1]
    while (twice := _count(rows, motif) > 1).any():
        fresh = _free(rng, twice.sum(), motif, length)
        places = _places(rng, twice.sum(), motif, length)
        rows[twice] = _planted(fresh, places, motif)


def _places(rng, count, motif, length):
    return rng.randint(length - len(motif) + 1, size=count)


def _planted(rows, places, motif):
    columns = places[:, None] + np.arange(len(motif))
    rows[np.arange(len(rows))[:, None], columns] = motif
    return rows


def _free(rng, count, motif, length):
    """Draw letters (count, length), uniformly among sequences without the motif."""
    rows = rng.randint(4, size=(count, length))
    for _ in range(TRIES):
        chance = _count(rows, motif) > 0
        if not chance.any():
            return rows
        rows[chance] = rng.randint(4, size=(chance.sum(), length))
    chance = _count(rows, motif) > 0
    rows[chance] = _letter_by_letter(rng, chance.sum(), motif, length)
    return rows


def _count(rows, motif):
    """Count the occurrences of the motif in each sequence."""
    starts = rows.shape[1] - len(motif) + 1
    found = np.ones((len(rows), starts), dtype=bool)
    for i, letter in enumerate(motif):
        found &= rows[:, i : i + starts] == letter
    return found.sum(1)


def _letter_by_letter(rng, count, motif, length):
    """Do the same as `_free` if sequences without the motif are rare.

    The state is the length of the prefix of the motif with which the letters so far
    end. The probability of a letter is proportional to the number of continuations
    that never complete the motif.
    """
    after = _following(motif)
    ways, odds = np.append(np.ones(len(motif)), 0.0), []
    for _ in range(length):
        odds.append(ways[after])
        ways[:-1] = odds[-1].sum(1) / odds[-1].sum(1).max()
    rows, state = np.empty((count, length), dtype=int), np.zeros(count, dtype=int)
    for column, likely in zip(rows.T, reversed(odds), strict=True):
        bounds = likely[state].cumsum(1)
        drawn = rng.random_sample((count, 1)) * bounds[:, -1:]
        column[:] = (bounds <= drawn).sum(1)
        state = after[state, column]
    return rows


def _following(motif):
    """Return the next state for each state and letter; the last is the whole motif."""
    after, back = np.zeros((len(motif), 4), dtype=int), 0
    for state, letter in enumerate(motif):
        after[state] = after[back]  # of the longest suffix that is a prefix
        back = after[back, letter]
        after[state, letter] = state + 1
    return after


def _one_hot(rows):
    return np.moveaxis(np.eye(4, dtype=np.float32)[rows], 2, 1)
