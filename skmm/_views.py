"""What a scikit-learn part is given of one modality."""

from skmm.data import leaves


def as_table(leaf):
    """Return a leaf as scikit-learn reads it: one number per row is one column."""
    if leaves.kind(leaf) in ("dense", "tensor") and leaf.ndim == 1:
        return leaf[:, None]
    return leaf
