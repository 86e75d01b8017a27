"""Save a fitted estimator to a file, and load it without running code from it."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmm._files import check_path, remove_leftovers, write_atomically
from skmm._random import float32_default, seeded
from skmm._version import __version__
from skmm.persistence.codecs import ObjectCodec, pack_params, unpack_params
from skmm.persistence.files import from_bytes, to_bytes
from skmm.persistence.json_codec import Kind
from skmm.persistence.legacy import upgrade
from skmm.persistence.transformers import TRANSFORMERS

ERRORS = (  # may be raised by content of another version of skmm
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,  # and RecursionError
    ArithmeticError,
    AssertionError,
)
ADVICE = (
    "A Block, Objective or module must depend on nothing but its constructor's "
    "parameters, its weights and its buffers; otherwise pickle the estimator."
)


@float32_default()
def save(estimator, path):
    """Save a fitted estimator, or a Pipeline of estimators, to a file without pickle.

    Parameters
    ----------
    estimator : estimator
        An estimator of skmm, the same as its method ``save``; a Pipeline, or a
        transformer. Transformers may be those of skmm.preprocessing, your own, and
        those of scikit-learn whose fitted attributes are numbers, text and arrays. Of
        scikit-learn, classes of these modules are supported: compose, covariance,
        cross_decomposition, decomposition, discriminant_analysis, dummy,
        feature_extraction, feature_selection, impute, kernel_approximation,
        linear_model, naive_bayes, pipeline, preprocessing, random_projection and svm.
    path : str or path-like
        An existing file is replaced atomically.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a parameter cannot be stored as data.
    OSError
        If the file cannot be written. An existing file is then unchanged.

    See Also
    --------
    skmm.load : Load the file.

    Notes
    -----
    A class of skmm defines `_fitted_by`, the attribute that `fit` sets last;
    ``_saved()``, which returns the fitted attributes as data; ``_restore(attributes)``,
    which sets them; and ``_probe()``, which returns outputs to compare with a copy.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import skmm
    >>> from skmm.preprocessing import ModalityTransformer
    >>> X = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> scale = ModalityTransformer({"a": StandardScaler()})
    >>> model = make_pipeline(scale, skmm.FusionClassifier(max_epochs=3)).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skmm.save(model, f"{folder}/model.safetensors")
    ...     again = skmm.load(f"{folder}/model.safetensors")
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator) or isinstance(estimator, nn.Module):
        raise TypeError(
            f"estimator must be an estimator or a Pipeline; got {estimator!r}."
        )
    check_is_fitted(estimator, getattr(estimator, "_fitted_by", None))
    check_path(path)
    data, _ = to_data(estimator)
    remove_leftovers(path)
    write_atomically(path, data)


def to_data(estimator):
    """Bytes of a file with an estimator, fitted or not, and the user's classes in it.

    Raises
    ------
    TypeError
        See `save`.
    """
    codec = EstimatorCodec()
    content = codec.pack(codec.mark(estimator), "")
    try:
        data = to_bytes(content, codec.tensors)
    except (KeyError, ValueError) as error:
        raise TypeError(f"safetensors cannot store a tensor: {error}") from error
    _verify(estimator, content, data, codec)
    return data, codec.classes.used


def is_savable(estimator):
    """Whether an estimator supports `save`."""
    return isinstance(estimator, BaseEstimator) and hasattr(estimator, "_restore")


def fitted_attributes(estimator):
    """Attributes of an estimator except its parameters."""
    params = estimator.get_params(deep=False)
    return {key: v for key, v in vars(estimator).items() if key not in params}


def set_attributes(estimator, attributes):
    """Set attributes from the result of `fitted_attributes`."""
    bad = [name for name in attributes if hasattr(type(estimator), name)]
    if bad:
        raise ValueError(f"it sets {bad}, which {type(estimator).__name__} defines")
    vars(estimator).update(attributes)
    return estimator


@dataclass
class Fitted:
    """An estimator to store with its fitted attributes."""

    estimator: BaseEstimator


class EstimatorCodec(ObjectCodec):
    """`ObjectCodec` that also supports estimators, fitted or not."""

    def __init__(self, classes=(), tensors=None, modules=None):
        super().__init__(classes, tensors, modules)
        self.kinds |= {"fitted": FITTED, **TRANSFORMERS}

    def is_storable(self, value):
        """Whether a value may be of a class of the user."""
        return super().is_storable(value) or is_savable(value)

    def mark(self, value):
        """Mark fitted estimators of skmm, in containers too."""
        if type(value) in (list, tuple):
            return type(value)(self.mark(part) for part in value)
        if type(value) is dict:
            return {key: self.mark(part) for key, part in value.items()}
        fitted = is_savable(value) and hasattr(value, value._fitted_by)
        return Fitted(value) if fitted else value


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
        raise ValueError(f"it contains the class {data['class']!r} in the wrong place")
    estimator = unpack_params(codec, data)
    return estimator._restore(codec.unpack(data["attributes"]))


FITTED = Kind(lambda codec, value: type(value) is Fitted, _pack_fitted, _unpack_fitted)


@float32_default()
def load(path, *, classes=(), modules=None):
    """Load an estimator from a file written by `save`, without running code from it.

    Parameters
    ----------
    path : str or path-like
    classes : sequence of classes, default=()
        Your own Blocks, Objectives, modules, targets, estimators and optimizers that
        the file may contain, besides those of skmm and torch. Of other packages, only
        scikit-learn is imported.
    modules : dict of str to callable, or callable, default=None
        Functions without arguments that make the modules whose constructor cannot be
        replayed, such as ``{"image": lambda: resnet18(num_classes=64)}`` for that of
        the modality "image". Their weights are in the file. One function stands for
        all; a module is copied. If one is missing, an error names it.

    Returns
    -------
    estimator
        The fitted estimator. Its predictions are bit for bit those of the saved one.
        `partial_fit` and `warm_start` continue with the state of the optimizer.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by `save`, is of a newer format, or
        contains a class that is not in `classes`, or a module that is not in `modules`
        or has other weights.
    TypeError
        If `classes` or `modules` are not what they should be.
    OSError
        If the file cannot be read.

    Notes
    -----
    The file is in the safetensors format: weights, buffers and the state of the
    optimizer are tensors, and everything else is JSON in the header. Other tools that
    read safetensors can read the weights. A checksum covers the whole file. It detects
    damage, but not manipulation.

    The file contains the constructor's parameters, all fitted attributes, the history,
    and which weights are frozen. It does not contain callbacks, which must be None, nor
    attributes of a Block other than parameters, weights and buffers.

    The net is moved to the estimator's `device`, or to the CPU if it is not available.

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
    try:
        path = Path(path)
    except TypeError as error:
        raise TypeError(f"path must be a str or path-like; got {path!r}.") from error
    data = path.read_bytes()
    try:
        return read(data, classes, modules)
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(" .")
        raise ValueError(f"cannot load {os.fspath(path)}: {reason}.") from error


def read(data, classes=(), modules=None):
    """Estimator from the bytes of a file; the errors are those of `load`."""
    codec = EstimatorCodec(classes, modules=modules)  # checks both
    entry, codec.tensors = from_bytes(data)
    try:
        with seeded(0):  # weights are drawn before they are set
            estimator = codec.unpack(upgrade(entry["content"], entry["format"]))
    except ERRORS as error:
        raise ValueError(
            f"its content, written by skmm {entry['skmm']}, does not match skmm "
            f"{__version__}: {error}"
        ) from error
    if not isinstance(estimator, BaseEstimator) or isinstance(estimator, nn.Module):
        raise ValueError(f"it contains a {type(estimator).__name__}, not an estimator")
    codec.factories.check_used()
    return estimator


def _verify(estimator, content, data, packed):
    """Check that a copy made from the data has the same outputs or attributes."""
    try:
        copy = read(data, packed.classes.used, packed.opaque or None)
    except ValueError as error:
        raise TypeError(f"this estimator cannot be saved: {error}. {ADVICE}") from error
    if not is_savable(estimator):
        codec = EstimatorCodec()
        if codec.pack(codec.mark(copy), "") != content:
            raise TypeError(
                "this estimator cannot be saved: the attributes of a copy differ. "
                f"{ADVICE}"
            )
    if not hasattr(estimator, getattr(estimator, "_fitted_by", "_probe")):
        return
    for mine, other in zip(estimator._probe(), copy._probe(), strict=True):
        if not torch.allclose(mine, other, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise TypeError(
                "this estimator cannot be saved: the predictions of a copy made from "
                f"its parameters and weights differ. {ADVICE}"
            )
