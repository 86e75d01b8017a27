"""Sequences of DNA in which a motif says the class."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict

LETTERS = "ACGT"
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
    """Make sequences of DNA, some of which hold a motif, and others that are random.

    Parameters
    ----------
    n_samples : int, default=2000
    kind : {"motif", "xor"}, default="motif"
        "motif": y is whether "gene" holds a motif. "xor": "gene" and "enhancer" hold
        one each or not, and y is whether just one of them does: neither says anything
        alone.
    length : int, default=100
        Of every sequence.
    motif_length : int, default=8
        The motif stands anywhere, in half of the rows; elsewhere it does not occur, not
        even by chance.
    n_irrelevant : int, default=1
        Random sequences besides, "random0", "random1", ...
    random_state : int, RandomState or None, default=None
    return_info : bool, default=False
        Return what is known about the problem as well.

    Returns
    -------
    X : ModalityDict of arrays (n_samples, 4, length) of float32
        One-hot, channels A, C, G, T.
    y : ndarray (n_samples,) of 0 and 1
    info : Bunch, if `return_info`
        - motifs : dict of str to str, by modality
        - holds : dict of str to ndarray (n_samples,) of bool

    Raises
    ------
    ValueError
        If a motif is longer than half a sequence.

    References
    ----------
    The synthetic experiment of Varshneya et al., "InTense", IJCAI 2024, whose motif
    has no stated length.

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
    X = ModalityDict({name: _one_hot(rows) for name, rows in letters.items()})
    y = np.logical_xor.reduce(list(holds.values())).astype(int)
    if not return_info:
        return X, y
    words = {name: "".join(LETTERS[i] for i in m) for name, m in motifs.items()}
    return X, y, Bunch(motifs=words, holds=holds)


def _sequences(rng, holds, motif, length):
    """Letters (n, length) with the motif in the rows that hold it, and no other."""
    rows = rng.randint(4, size=(len(holds), length))
    while (by_chance := _has(rows, motif)).any():
        rows[by_chance] = rng.randint(4, size=(by_chance.sum(), length))
    starts = rng.randint(length - len(motif) + 1, size=len(holds))
    for row in np.flatnonzero(holds):
        rows[row, starts[row] : starts[row] + len(motif)] = motif
    return rows


def _has(rows, motif):
    windows = np.lib.stride_tricks.sliding_window_view(rows, len(motif), axis=1)
    return (windows == motif).all(2).any(1)


def _one_hot(rows):
    return np.moveaxis(np.eye(4, dtype=np.float32)[rows], 2, 1)
