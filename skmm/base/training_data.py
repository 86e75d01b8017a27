"""What training needs: a module, and samples with their target on one device."""

from dataclasses import dataclass

import torch

from skmm.base.sample_weight import mean_one
from skmm.data import leaves
from skmm.data.tensors import TensorRows, to_tensors
from skmm.nn.assemble import MultimodalModule


@dataclass
class TrainingData:
    """A module and what it is trained on.

    Attributes
    ----------
    module : MultimodalModule
    train : (TensorRows, Tensor)
        Samples, and their target as the objective takes it.
    valid : (TensorRows, Tensor) or None
        The validation set of early stopping.
    """

    module: MultimodalModule
    train: tuple[TensorRows, torch.Tensor]
    valid: tuple[TensorRows, torch.Tensor] | None = None

    def nbytes(self):
        """Bytes of the training samples, once they are dense."""
        rows = self.train[0]
        return sum(len(rows) * source[:1].nbytes for source in rows.x.values())

    def set_aside(self, train, valid):
        """Split the training samples into a training and a validation set.

        Parameters
        ----------
        train, valid : ndarray of int
        """
        rows, target = self.train
        self.train = _pick(rows, target, train)
        self.valid = _pick(rows, target, valid)
        return self


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(target.device)
    rows = rows.subset(index)
    return rows.with_weight(mean_one(rows.weight)), target[index]


def to_rows(X, module, device, weight=None):
    """Tensors of a validated ModalityDict, as the encoders of `module` take them.

    Raises
    ------
    MemoryError
        If they do not fit on the device.
    """
    dtypes = {n: _in_dtype(encoder, X[n]) for n, encoder in module.encoders.items()}
    try:
        rows = to_tensors(X, dtypes, device)
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"the data do not fit on {device}. Give fewer samples, or memory-map the "
            "largest modality (np.memmap, or np.load(..., mmap_mode='r')): then it is "
            "read batch by batch."
        ) from error
    if weight is None:
        return rows
    return rows.with_weight(torch.from_numpy(weight).float().to(device))


def _in_dtype(encoder, leaf):
    """Blocks declare their dtype; other modules get text as tokens."""
    default = torch.int64 if leaves.kind(leaf) == "text" else torch.float32
    return getattr(encoder, "in_dtype", default)
