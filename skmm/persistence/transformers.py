"""Conversion of scikit-learn estimators and their fitted attributes to data.

Files name a class of scikit-learn by its public name, such as
"sklearn.preprocessing.StandardScaler", and only if it is in one of the modules below;
no other module is imported. An estimator is restored as pickle would do it, by
``__setstate__``, but its state consists of numbers, text, arrays and other estimators.
"""

import inspect
import re
from functools import cache

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from torch import nn

from skmm.persistence.json_codec import Kind

PACKAGES = ("sklearn.", "skmm.preprocessing.")
TYPES = {
    **{f"numpy.{cls.__name__}": cls for cls in {*np.sctypeDict.values()}},
    **{f"builtins.{cls.__name__}": cls for cls in (bool, int, float, str, object)},
}


@cache
def known_classes():
    """Classes of scikit-learn and skmm.preprocessing by name."""
    from sklearn import (
        compose,
        covariance,
        cross_decomposition,
        decomposition,
        discriminant_analysis,
        dummy,
        feature_extraction,
        feature_selection,
        impute,
        kernel_approximation,
        linear_model,
        naive_bayes,
        pipeline,
        preprocessing,
        random_projection,
        svm,
    )
    from sklearn.feature_extraction import text

    from skmm import preprocessing as ours

    modules = [
        compose,
        covariance,
        cross_decomposition,
        decomposition,
        discriminant_analysis,
        dummy,
        feature_extraction,
        feature_selection,
        impute,
        kernel_approximation,
        linear_model,
        naive_bayes,
        pipeline,
        preprocessing,
        random_projection,
        svm,
        text,
        ours,
    ]
    return {
        f"{module.__name__}.{name}": cls
        for module in modules
        for name, cls in vars(module).items()
        if name in getattr(module, "__all__", vars(module))
        and inspect.isclass(cls)
        and issubclass(cls, BaseEstimator)
    }


def is_transformer(codec, value):
    """Whether a value is an estimator of another package than skmm, or a transformer.

    That of scikit-learn must be in one of the known modules.
    """
    cls = type(value)
    if not isinstance(value, BaseEstimator) or isinstance(value, nn.Module):
        return False
    if codec.classes.is_own(cls) or codec.is_storable(value):
        return False
    package = f"{cls.__module__}."
    return not package.startswith(PACKAGES) or cls in _names()


@cache
def _names():
    return {cls: name for name, cls in known_classes().items()}


def _pack(codec, value, where):
    name = _names().get(type(value)) or codec.classes.name(type(value))
    state, prefix = value.__getstate__(), f"{where}." if where else ""
    if state.get("memory") is not None:
        raise TypeError(
            f"{prefix}memory={state['memory']!r} cannot be saved, since the folder "
            "holds pickles. Use set_params(memory=None)."
        )
    packed = {k: codec.pack(codec.mark(v), prefix + k) for k, v in state.items()}
    return {"class": name, "state": packed}


def _unpack(codec, data):
    name = str(data["class"])
    cls = known_classes().get(name) if name.startswith(PACKAGES) else None
    cls = codec.classes.find(name, BaseEstimator) if cls is None else cls
    if codec.classes.is_own(cls) or issubclass(cls, nn.Module):
        raise ValueError(f"it contains the class {name!r} in the wrong place")
    state = codec.unpack(data["state"])
    bad = [key for key in state if _is_code(inspect.getattr_static(cls, key, None))]
    if bad or state.get("memory") is not None:
        raise ValueError(f"it sets {bad or ['memory']}, which {name} does not allow")
    value = cls.__new__(cls)
    value.__setstate__(state)
    return value


def _is_code(value):
    return callable(value) or hasattr(value, "__get__")


def _pack_sparse(codec, value, where):
    csr = value.tocsr()
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}
    packed = {name: codec.pack(part, where) for name, part in parts.items()}
    return {**packed, "shape": list(csr.shape), "format": value.format}


def _unpack_sparse(codec, data):
    parts = [codec.unpack(data[name]) for name in ("data", "indices", "indptr")]
    csr = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(data["shape"]))
    csr.check_format()
    return csr.asformat(data["format"])


def _find_ufunc(codec, data):
    found = getattr(np, data, None)
    if not isinstance(found, np.ufunc):
        raise ValueError(f"it contains the unknown function {data!r}")
    return found


TRANSFORMERS = {
    "estimator": Kind(is_transformer, _pack, _unpack),
    "sparse": Kind(
        lambda codec, value: isinstance(value, scipy.sparse.spmatrix),
        _pack_sparse,
        _unpack_sparse,
    ),
    "dtype": Kind(
        lambda codec, value: isinstance(value, np.dtype) and value.fields is None,
        lambda codec, value, where: value.str,
        lambda codec, data: np.dtype(str(data)),
    ),
    "type": Kind(
        lambda codec, value: inspect.isclass(value) and value in TYPES.values(),
        lambda codec, value, where: next(n for n, t in TYPES.items() if t is value),
        lambda codec, data: TYPES[data],
    ),
    "ufunc": Kind(
        lambda codec, value: (
            isinstance(value, np.ufunc) and hasattr(np, value.__name__)
        ),
        lambda codec, value, where: value.__name__,
        _find_ufunc,
    ),
    "pattern": Kind(
        lambda codec, value: isinstance(value, re.Pattern),
        lambda codec, value, where: [codec.pack(value.pattern, where), value.flags],
        lambda codec, data: re.compile(*data),
    ),
    "slice": Kind(
        lambda codec, value: isinstance(value, slice),
        lambda codec, value, where: [
            codec.pack(part, where) for part in (value.start, value.stop, value.step)
        ],
        lambda codec, data: slice(*codec.unpack(data)),
    ),
    "set": Kind(
        lambda codec, value: type(value) in (set, frozenset),
        lambda codec, value, where: [
            type(value).__name__,
            [codec.pack(part, where) for part in sorted(value, key=repr)],
        ],
        lambda codec, data: (set if data[0] == "set" else frozenset)(
            codec.unpack(data[1])
        ),
    ),
}
