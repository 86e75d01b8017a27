"""Save a fitted estimator to one file, and load it without running its content."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skmm._random import seeded
from skmm._version import __version__
from skmm.persistence.codecs import ObjectCodec, pack_params, unpack_params
from skmm.persistence.files import check_path, from_bytes, to_bytes, write_whole
from skmm.persistence.json_codec import Kind

ERRORS = (  # what content written by another version may raise
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
ADVICE = (
    "A Block, Objective or module must be determined by its constructor's parameters, "
    "its weights and its buffers; otherwise pickle the estimator."
)


def save(estimator, path):
    """Write a fitted estimator to one file, without pickle.

    The class of the estimator declares how: `_fitted_by` is the attribute that `fit`
    sets last; ``_saved()`` returns the fitted attributes as data, and
    ``_restore(attributes)`` sets them; ``_probe()`` returns predictions by which a copy
    is compared with the original.

    Parameters
    ----------
    estimator : estimator
    path : str or path-like

    Raises
    ------
    NotFittedError
        Before `fit`.
    TypeError
        If a parameter is code or of a foreign class.
    OSError
        If the file cannot be written.
    """
    check_is_fitted(estimator, estimator._fitted_by)
    check_path(path)
    codec = EstimatorCodec()
    content = codec.pack(Fitted(estimator), "")
    try:
        data = to_bytes(content, codec.tensors)
    except (KeyError, ValueError) as error:
        raise TypeError(f"safetensors cannot store a tensor: {error}") from error
    _verify(estimator, data, codec.classes.used)
    write_whole(path, data)


def is_savable(estimator):
    """Whether an estimator declares how it is saved."""
    return isinstance(estimator, BaseEstimator) and hasattr(estimator, "_restore")


def fitted_attributes(estimator):
    """Attributes of an estimator that are not parameters."""
    params = estimator.get_params(deep=False)
    return {key: v for key, v in vars(estimator).items() if key not in params}


def set_attributes(estimator, attributes):
    """Set attributes that `fitted_attributes` returned."""
    bad = [name for name in attributes if hasattr(type(estimator), name)]
    if bad:
        raise ValueError(f"it sets {bad}, which {type(estimator).__name__} defines")
    vars(estimator).update(attributes)
    return estimator


@dataclass
class Fitted:
    """An estimator that is to be stored with its fitted attributes."""

    estimator: BaseEstimator


class EstimatorCodec(ObjectCodec):
    """`ObjectCodec` that also knows estimators, fitted or not."""

    def __init__(self, classes=(), tensors=None):
        super().__init__(classes, tensors)
        self.kinds["fitted"] = FITTED

    def is_storable(self, value):
        """Whether a value may be of the user's own class."""
        return super().is_storable(value) or is_savable(value)


def _pack_fitted(codec, value, where):
    estimator, prefix = value.estimator, f"{where}." if where else ""
    attributes = estimator._saved()
    return {
        **pack_params(codec, estimator, where),
        "attributes": {
            name: codec.pack(v, prefix + name) for name, v in attributes.items()
        },
    }


def _unpack_fitted(codec, data):
    cls = codec.classes.find(data["class"], BaseEstimator)
    if not hasattr(cls, "_restore"):
        raise ValueError(
            f"it names the class {data['class']!r} where it does not belong"
        )
    estimator = unpack_params(codec, data)
    return estimator._restore(codec.unpack(data["attributes"]))


FITTED = Kind(lambda codec, value: type(value) is Fitted, _pack_fitted, _unpack_fitted)


def load(path, *, classes=()):
    """Load an estimator that `save` wrote; code in the file is never run.

    Parameters
    ----------
    path : str or path-like
    classes : sequence of classes, default=()
        Your own Blocks, Objectives and torch modules that the estimator uses. Only
        these, and those of skmm and torch, are restored; nothing is imported.

    Returns
    -------
    estimator
        Fitted. Its predictions are bit for bit those of the saved one, and
        `partial_fit` and `warm_start` continue as that would, with the state of the
        optimizer.

    Raises
    ------
    ValueError
        If the file is damaged, a pickle or anything else that `save` did not write, of
        a newer format, or needs a class that is not in `classes`.
    OSError
        If there is no such file.

    Notes
    -----
    The file is one safetensors file: weights, buffers and the state of the optimizer
    are tensors, everything else is JSON in its header. So any tool that reads
    safetensors reads the weights, and there is no second file to lose; a checksum
    covers every byte. It detects damage, not forgery: whoever can write the file
    decides what is predicted.

    Kept are the constructor's parameters, all fitted attributes, the history, and which
    weights are frozen. Not kept are callbacks, which must be None, and what a Block
    holds besides parameters, weights and buffers.

    A net is put on the estimator's `device`; where that does not exist, on the CPU.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import skmm
    >>> X = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> model = skmm.FusionClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors")
    ...     again = skmm.load(f"{folder}/model.safetensors")
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    data = Path(path).read_bytes()
    try:
        return _read(data, classes)
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(" .")
        raise ValueError(f"cannot load {os.fspath(path)}: {reason}.") from error


def _read(data, classes):
    content, tensors, version = from_bytes(data)
    codec = EstimatorCodec(classes, tensors)
    try:
        with seeded(0):  # weights are drawn before they are filled
            estimator = codec.unpack(content)
    except ERRORS as error:
        raise ValueError(
            f"its content, written by skmm {version}, does not fit skmm {__version__}: "
            f"{error}"
        ) from error
    if not is_savable(estimator):
        raise ValueError(f"it holds a {type(estimator).__name__}, not an estimator")
    return estimator


def _verify(estimator, data, classes):
    """Read back what is about to be written: own classes may keep more than is saved.

    Raises
    ------
    TypeError
        If the copy cannot be made, or its predictions differ.
    """
    try:
        copies = _read(data, classes)._probe()
    except ValueError as error:
        raise TypeError(f"this model cannot be saved: {error}. {ADVICE}") from error
    for mine, other in zip(estimator._probe(), copies, strict=True):
        if not torch.allclose(mine, other, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise TypeError(
                "this model cannot be saved: a copy made from its parameters and "
                f"weights predicts something else. {ADVICE}"
            )
