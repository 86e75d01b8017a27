"""How many bytes a container says it holds."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import ModalityDict

TABLE = np.zeros((1000, 5))
SPARSE = sparse.random(1000, 50, density=0.1, format="csr", random_state=0)

LEAVES = {
    "table": (TABLE, TABLE.nbytes),
    "view": (TABLE[:, :2], 1000 * 2 * 8),
    "tensor": (torch.zeros(1000, 5), 1000 * 5 * 4),
    "sparse": (SPARSE, 5000 * (8 + 4) + 1001 * 4),
    "frame": (pd.DataFrame(TABLE), TABLE.nbytes),
    "text": (["a" * 100] * 1000, 1000 * 100),
    "ragged": ([np.zeros(1 + i % 2) for i in range(1000)], 1500 * 8),
}


@pytest.mark.parametrize("kind", LEAVES)
def test_bytes_of_a_leaf(kind):
    leaf, least = LEAVES[kind]
    size = sys.getsizeof(ModalityDict(leaf=leaf))
    overhead = 150_000 if kind in ("text", "ragged") else 500  # of objects, an index
    assert least <= size <= least + overhead


def test_bytes_of_all_leaves_add_up():
    both = sys.getsizeof(ModalityDict(a=TABLE, b=TABLE[:, :1]))
    assert 48_000 <= both < 48_500
