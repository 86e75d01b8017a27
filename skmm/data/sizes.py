"""How many bytes a leaf takes, so that a scheduler knows what it would send."""

import sys

import pandas as pd
from scipy import sparse


def size_of(leaf):
    """Bytes of a leaf's values, of views too; of text and ragged rows one by one."""
    if isinstance(leaf, pd.DataFrame):
        return int(leaf.memory_usage(deep=True).sum())
    if sparse.issparse(leaf):
        return leaf.data.nbytes + leaf.indices.nbytes + leaf.indptr.nbytes
    if leaf.dtype == object:
        return leaf.nbytes + sum(sys.getsizeof(row) for row in leaf)
    return leaf.nbytes
