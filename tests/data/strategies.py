"""Random containers in which every leaf spells out the number of its row.

`MAKE[kind](numbers)` builds a leaf from row numbers, `READ[kind](leaf)` reads them
back, and `numbers_told(kind, numbers)` is what must be read. Whatever is done to a
container, its rows are intact if all leaves tell the same numbers.
"""

import numpy as np
import pandas as pd
import torch
from hypothesis import settings
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict

quick = settings(max_examples=50, deadline=None, database=None)


def _one_hot(numbers):
    """(n, 4) table with number + 1 in a column that depends on it, zero elsewhere."""
    table = np.zeros((len(numbers), 4))
    table[np.arange(len(numbers)), numbers % 4] = numbers + 1
    return table


def _labels(numbers):
    """Repeated row labels, in another order than the numbers."""
    return pd.Index(np.asarray(numbers, dtype=int)[::-1] // 2)


def _frame(numbers):
    return pd.DataFrame(
        {
            "number": numbers,
            "parity": pd.Categorical(np.where(numbers % 2, "odd", "even")),
            "word": [f"w{i}" for i in numbers],
        },
        index=_labels(numbers),
    )


def _holed_words(numbers):
    return [None if i % 5 == 4 else f"row {i}" for i in numbers]


def _objects(rows):
    out = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        out[i] = row
    return out


MAKE = {
    "vector": lambda i: i.astype(np.int64),
    "huge": lambda i: i + 2**62,
    "table": lambda i: i[:, None] + np.array([0.0, 0.5]),
    "image": lambda i: np.multiply.outer(i, np.ones((1, 2, 2), np.float32)),
    "bits": lambda i: (i[:, None] >> np.arange(8)) % 2 == 1,
    "tensor": lambda i: torch.tensor(i)[:, None] + torch.tensor([0.0, 0.5]),
    "bfloat": lambda i: torch.tensor(i).to(torch.bfloat16),
    "csr_array": lambda i: sparse.csr_array(_one_hot(i)),
    "csr_matrix": lambda i: sparse.csr_matrix(_one_hot(i)),
    "csc_array": lambda i: sparse.csc_array(_one_hot(i)),
    "coo_array": lambda i: sparse.coo_array(_one_hot(i)),
    "coo_matrix": lambda i: sparse.coo_matrix(_one_hot(i)),
    "dok_array": lambda i: sparse.dok_array(_one_hot(i)),
    "frame": _frame,
    "text": lambda i: np.array([f"row {j}" for j in i], dtype=object),
    "unicode": lambda i: np.array([f"row {j}" for j in i], dtype=str),
    "holed text": lambda i: _objects(_holed_words(i)),
    "string column": lambda i: pd.Series(_holed_words(i), _labels(i), dtype="str"),
    "integer column": lambda i: pd.Series(
        [pd.NA if j % 5 == 4 else j for j in i], _labels(i), dtype="Int64"
    ),
    "category": lambda i: pd.Series(
        pd.Categorical([f"row {j}" for j in i], categories=[f"row {j}" for j in i])
        if len(set(i)) == len(i)
        else [f"row {j}" for j in i],
        _labels(i),
    ),
    "ragged": lambda i: _objects([np.full(j % 3 + 1, j) for j in i]),
    "ragged grids": lambda i: _objects([np.full((j % 2 + 1, 2), j) for j in i]),
}


def _word_number(word):
    return None if word is None else int(word.split()[1])


def _read_words(leaf):
    return [_word_number(word) for word in leaf]


def _read_sparse(leaf):
    return (leaf.toarray().sum(axis=1) - 1).astype(int).tolist()


READ = dict.fromkeys(MAKE, _read_sparse) | {
    "vector": lambda leaf: leaf.tolist(),
    "huge": lambda leaf: (leaf - 2**62).tolist(),
    "table": lambda leaf: leaf[:, 0].astype(int).tolist(),
    "image": lambda leaf: leaf[:, 0, 1, 1].astype(int).tolist(),
    "bits": lambda leaf: (leaf @ (1 << np.arange(8))).tolist(),
    "tensor": lambda leaf: torch.as_tensor(leaf)[:, 0].long().tolist(),
    "bfloat": lambda leaf: leaf.long().tolist(),
    "frame": lambda leaf: leaf["number"].tolist(),
    "text": _read_words,
    "unicode": _read_words,
    "holed text": _read_words,
    "string column": _read_words,
    "integer column": lambda leaf: [None if np.isnan(v) else int(v) for v in leaf],
    "category": lambda leaf: _read_words(np.asarray(leaf).ravel()),
    "ragged": lambda leaf: [int(row.flat[0]) for row in leaf],
    "ragged grids": lambda leaf: [int(row.flat[0]) for row in leaf],
}

HOLED = {"holed text", "string column", "integer column"}


def numbers_told(kind, numbers):
    """Return the numbers that a leaf of this kind must tell."""
    return [None if kind in HOLED and i % 5 == 4 else int(i) for i in numbers]


def assert_rows(X, numbers, masks):
    """Every leaf holds exactly these rows, and every mask went with them."""
    assert len(X) == len(numbers)
    assert X.shape == (len(numbers), len(X.keys()))
    for kind, leaf in X.items():
        assert READ[kind](leaf) == numbers_told(kind, numbers), kind
        np.testing.assert_array_equal(X.present[kind], masks[kind][numbers])


def container(kinds, numbers, masks=None):
    """Build a container of these kinds of leaf."""
    numbers = np.asarray(numbers, dtype=int)
    return ModalityDict({k: MAKE[k](numbers) for k in kinds}, present=masks)


@st.composite
def containers(draw, min_rows=0, max_rows=9, kinds=tuple(MAKE), min_kinds=1):
    """Draw a container of rows 0, 1, ... and its masks, one for each modality."""
    n = draw(st.integers(min_rows, max_rows))
    chosen = draw(
        st.lists(st.sampled_from(kinds), unique=True, min_size=min_kinds, max_size=4)
    )
    mask = st.lists(st.booleans(), min_size=n, max_size=n)
    masked = draw(st.sets(st.sampled_from(chosen))) if chosen else set()
    masks = {
        k: np.array(draw(mask) if k in masked else [True] * n, dtype=bool)
        for k in chosen
    }
    given = {k: masks[k] for k in masked}
    return container(chosen, range(n), given), masks


@st.composite
def row_keys(draw, n):
    """Draw anything that selects rows of a container of n rows."""
    mask = st.lists(st.booleans(), min_size=n, max_size=n)
    integers = st.lists(st.integers(-n, n - 1), max_size=12) if n else st.just([])
    small = integers.map(lambda key: np.array(key, dtype=np.int8))
    return draw(
        st.one_of(
            st.slices(n),
            st.just(...),
            mask.filter(len),
            mask.map(lambda key: np.array(key, dtype=bool)),
            mask.filter(len).map(torch.tensor),
            mask.map(lambda key: pd.Index(key, dtype=bool)),
            integers,
            small,
            integers.map(lambda key: torch.tensor(key, dtype=torch.long)),
            integers.map(lambda key: pd.Index(key, dtype=np.int64)),
            st.builds(range, st.integers(0, n)),
        )
    )


def plain_key(key):
    """Return the same key for a NumPy array."""
    if isinstance(key, slice) or key is Ellipsis:
        return key
    key = np.asarray(key)
    return key if key.dtype == bool else key.astype(int)
