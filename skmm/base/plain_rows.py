"""Short way from dense arrays to tensors, for predictions of few samples."""

from math import isfinite

import numpy as np
import torch

from skmm.data import ModalityDict
from skmm.data.sources import SMALL
from skmm.data.tensors import TensorRows, to_device

DTYPES = frozenset(map(np.dtype, ("float32", "float64", "int64", "uint8", "bool")))


def plain_rows(estimator, X, module):
    """Convert arrays that match the training data, in one pass over their values.

    The result equals that of ``check_modalities`` and ``to_rows``, which read all other
    input and raise the errors.

    Parameters
    ----------
    estimator : ModalityEstimator
        Fitted.
    X : ModalityDict, dict, or any other input of a prediction
    module : MultimodalModule
        Its module.

    Returns
    -------
    TensorRows, or None
        None unless X has just the modalities of `fit`, all without missing samples, as
        finite arrays in memory of the shapes of `fit`, and all encoders read float32.
    """
    names, shapes = estimator.modalities_in_, estimator.shapes_in_
    seen = vars(estimator).get("modalities_seen_") == names
    if not (seen and module.reads_floats and _is_complete(X, names)):
        return None
    x, n_rows = {}, None
    for name in names:
        leaf = X[name]
        if not _is_plain(leaf, shapes[name], n_rows):
            return None
        x[name], n_rows = torch.from_numpy(leaf).float(), len(leaf)
        if not isfinite(x[name].sum()):
            return None
    device = module.device
    if device is not None and device.type != "cpu":
        x = to_device(x, device)
    return TensorRows(x)


def _is_complete(X, names):
    """Whether X is a container of just these modalities, without missing samples."""
    is_dict = type(X) is dict or (type(X) is ModalityDict and not X.has_missing)
    return is_dict and X.keys() == set(names)


def _is_plain(leaf, shape, n_rows):
    """Whether torch can share the memory of an array of samples of this shape."""
    return (
        type(leaf) is np.ndarray
        and type(shape) is tuple  # that of a table with categories is not
        and leaf.dtype in DTYPES
        and leaf.shape[1:] == shape
        and 0 < leaf.size <= SMALL // 4
        and leaf.flags.c_contiguous
        and leaf.flags.writeable
        and n_rows in (None, len(leaf))
    )
