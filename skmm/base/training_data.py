"""What training needs: a module, and rows with their target on one device."""

from dataclasses import dataclass

import torch

from skmm.base.sample_weight import mean_one
from skmm.data import leaves
from skmm.data.tensors import TensorRows, rows_at, tensors_in, to_tensors
from skmm.nn.assemble import MultimodalModule


@dataclass
class Problem:
    """A module and what it is to be trained on.

    Attributes
    ----------
    module : MultimodalModule
    train : (TensorRows, Tensor)
        Rows, and their target as the objective wants it.
    valid : (TensorRows, Tensor) or None
        Rows set aside for early stopping.
    """

    module: MultimodalModule
    train: tuple[TensorRows, torch.Tensor]
    valid: tuple[TensorRows, torch.Tensor] | None = None

    def nbytes(self):
        """Bytes of the training rows, once they are dense."""
        rows = self.train[0]
        return sum(len(rows) * source[:1].nbytes for source in rows.x.values())

    def set_aside(self, train, valid):
        """Move some of the training rows to `valid`.

        Parameters
        ----------
        train, valid : ndarray of int
        """
        rows, target = self.train
        self.train = _pick(rows, target, train)
        self.valid = _pick(rows, target, valid)
        return self


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(tensors_in(target)[0].device)
    rows = rows.subset(index)
    return rows.with_weight(mean_one(rows.weight)), rows_at(target, index)


def to_rows(X, module, device, weight=None):
    """Tensors of a checked ModalityDict, as the encoders of `module` read them.

    Raises
    ------
    MemoryError
        If they do not fit on the device.
    """
    dtypes = {n: _reads(encoder, X[n]) for n, encoder in module.encoders.items()}
    try:
        rows = to_tensors(X, dtypes, device)
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"the rows do not fit on {device}. Give fewer, or memory-map the largest "
            "modality (np.memmap, or np.load(..., mmap_mode='r')): then it is read "
            "batch by batch."
        ) from error
    if weight is None:
        return rows
    return rows.with_weight(torch.from_numpy(weight).float().to(device))


def _reads(encoder, leaf):
    """Blocks say what they read; other modules get text as tokens."""
    default = torch.int64 if leaves.kind(leaf) == "text" else torch.float32
    return getattr(encoder, "in_dtype", default)
