"""One scikit-learn transformer per modality."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from skmm._params import NestedParams, unchanged_on_error
from skmm._routing import of_rows, routed, router
from skmm._sklearn import (
    HasMethods,
    StrOptions,
    VisualBlock,
    num_samples,
    safe_indexing,
)
from skmm._views import as_table, fit_text, naming
from skmm._warnings import warn
from skmm.data import ModalityDict, check_modalities, leaves
from skmm.data.labels import check_row_labels
from skmm.data.validation import parts_in_use
from skmm.preprocessing._applying import (
    MissingEverywhere,
    blank,
    check_not_all_dropped,
    check_transformer,
    fit_transformed,
    names_of,
    plain_output,
    readable,
    spread,
    transformed,
)

WORDS = ("passthrough", "drop")
REST = "remainder"


class ModalityTransformer(
    NestedParams, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Transform each modality by its own scikit-learn transformer.

    The counterpart of ColumnTransformer for modalities. Each transformer is fitted on
    the array of its modality, on the samples in which this is present.

    Parameters
    ----------
    transformers : dict of str to transformer, "passthrough" or "drop", default=None
        A transformer with a method ``present(leaf)``, such as `MoleculeFingerprint`,
        can mark samples that it cannot read as missing: it returns a boolean mask.
        Text has shape (n_samples,) for vectorizers, and (n_samples, 1) for transformers
        of columns, such as ``OneHotEncoder``.
    modalities : list of str or None, default=None
        Modalities to keep; transformers of others are ignored. None keeps all.
    remainder : "passthrough", "drop" or transformer, default="passthrough"
        Transformer of the other modalities.

    Attributes
    ----------
    transformers_ : dict of str to fitted transformer, "passthrough" or "drop"
    modalities_in_ : list of str
        Modalities that are transformed.
    shapes_in_, shapes_out_ : dict
        Shape of one sample of each modality, before and after.
    n_features_in_ : int
        Number of modalities of X.
    feature_names_in_ : ndarray of str
        Their names.

    Notes
    -----
    The result is always a ModalityDict, regardless of ``set_output`` and of the global
    configuration. A modality that is missing in all training samples stays missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmm import ModalityDict
    >>> from skmm.preprocessing import ModalityTransformer
    >>> X = ModalityDict(table=np.array([[1.0], [3.0]]), name=["a", "b"])
    >>> out = ModalityTransformer({"table": StandardScaler()}).fit_transform(X)
    >>> out["table"].tolist(), list(out)
    ([[-1.0], [1.0]], ['table', 'name'])
    """

    _nested = _by_modality = ("transformers",)
    _as_columns = frozenset()  # names of text that is read as (n_samples, 1)

    _parameter_constraints = {
        "transformers": [dict, None],
        "modalities": [list, tuple, np.ndarray, None],
        "remainder": [
            StrOptions({"passthrough", "drop"}),
            HasMethods(["fit", "transform"]),
        ],
    }

    def __init__(self, transformers=None, *, modalities=None, remainder="passthrough"):
        self.transformers = transformers
        self.modalities = modalities
        self.remainder = remainder

    @property
    def _given(self):
        return {str(name): part for name, part in (self.transformers or {}).items()}

    def set_output(self, *, transform=None):
        """Do nothing, so that ``set_output`` of a Pipeline works.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self
        """
        return self

    def fit(self, X, y=None, **params):
        """Fit every transformer on the samples in which its modality is present.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
        y : array-like of shape (n_samples,), optional
            Passed to the transformers.
        **params : dict
            Passed to the transformers that request them, such as sample_weight, if
            metadata routing is enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a name is unknown, a transformer is invalid or fails, or no modality is
            left.
        """
        self.fit_transform(X, y, **params)
        return self

    @unchanged_on_error
    def fit_transform(self, X, y=None, **params):
        """Fit and apply every transformer, by its `fit_transform` if it has one.

        Parameters
        ----------
        X, y, **params
            See `fit`.

        Returns
        -------
        ModalityDict
        """
        self._validate_params()
        X = check_modalities(X, self, modalities=self.modalities, finite=False)
        parts_in_use(self._given, self, "transformers")
        _check_rows(X, y, params)
        shares = routed(self, "fit_transform", params)
        fitted, parts, present = {}, {}, {}
        self._as_columns = set()
        for name in X:
            fitted[name], *result = self._fit_one(name, X, y, shares)
            if result:
                parts[name], present[name] = result
        check_not_all_dropped(parts, fitted)
        self.transformers_ = fitted
        self.shapes_out_ = {n: leaves.shape_of_row(p) for n, p in parts.items()}
        return ModalityDict._kept(parts, present, X.index)

    def _fit_one(self, name, X, y, shares):
        """Return (fitted transformer, leaf, mask), or ("drop",)."""
        transformer = self._given.get(name, self.remainder)
        if isinstance(check_transformer(transformer, name), str):
            kept = transformer == "passthrough"
            return (transformer, X[name], X.present[name]) if kept else (transformer,)
        leaf = as_table(X[name])
        with naming(name):
            transformer = plain_output(clone(transformer))
            mask = readable(transformer, leaf, X.present[name])
        if not mask.any():
            return self._missing_everywhere(name, mask)
        rows = np.flatnonzero(mask)
        target = None if y is None else safe_indexing(y, rows)
        params = of_rows(shares.get(self._key(name), {}), rows, len(mask))
        with naming(name):
            transformer, out = self._fit_part(
                transformer, name, leaves.take(leaf, rows), target, params
            )
        return transformer, _whole(out, mask, name), mask

    def _fit_part(self, transformer, name, leaf, target, params):
        """Return a fitted transformer and its output; note text read as a column."""
        if leaves.kind(leaf) != "text":
            return transformer, fit_transformed(transformer, leaf, target, params)

        def fit(part, leaf):
            return fit_transformed(part, leaf, target, params)

        part, out, as_column = fit_text(transformer, leaf, fit)
        if as_column:
            self._as_columns.add(name)
        return part, out

    def _key(self, name):
        """Return the name of a modality's transformer in the metadata router."""
        return f"transformers[{name!r}]" if name in self._given else REST

    def get_metadata_routing(self):
        """Return the metadata routing, like ColumnTransformer.

        Returns
        -------
        MetadataRouter
        """
        parts = {self._key(n): part for n, part in self._given.items()}
        parts = {
            k: v for k, v in {**parts, REST: self.remainder}.items() if v not in WORDS
        }
        return router(self, parts, ("fit", "fit_transform"))

    def _missing_everywhere(self, name, mask):
        warn(f"modality {name!r} is missing in all samples and stays missing.")
        return MissingEverywhere(), blank(len(mask), (1,)), mask

    def transform(self, X):
        """Apply the fitted transformers.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            A modality that is not in X is left out of the result.

        Returns
        -------
        ModalityDict
            Missing samples are blank (zeros, None for text) and marked as missing.
        """
        check_is_fitted(self, "transformers_")
        X = check_modalities(X, self, reset=False, finite=False, absent="drop")
        parts, present = {}, {}
        for name in X:
            if (transformer := self.transformers_[name]) != "drop":
                parts[name], present[name] = self._apply(transformer, name, X)
        return ModalityDict._kept(parts, present, X.index)

    def _apply(self, transformer, name, X):
        leaf, mask = as_table(X[name]), X.present[name]
        if transformer == "passthrough":
            return X[name], mask
        is_column = name in self._as_columns
        with naming(name):
            mask = readable(transformer, leaf, mask)
        if not mask.any():
            return blank(len(X), self.shapes_out_[name]), mask
        with naming(name):
            rows = leaves.take(leaf, np.flatnonzero(mask))
            out = transformed(transformer, rows[:, None] if is_column else rows)
        return _whole(out, mask, name), mask

    def get_feature_names_out(self, input_features=None):
        """Return names "modality__feature".

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str

        Raises
        ------
        ValueError
            If a modality's features have no names.
        """
        check_is_fitted(self, "transformers_")
        names = []
        for name, transformer in self.transformers_.items():
            if transformer != "drop":
                names += [
                    f"{name}__{f}"
                    for f in names_of(name, transformer, self.shapes_in_[name])
                ]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.two_d_array = False
        return tags

    def _sk_visual_block_(self):
        parts = self._given
        return VisualBlock("parallel", list(parts.values()), names=list(parts))


def _whole(out, mask, name):
    return out if mask.all() else spread(out, mask, name)


def _check_rows(X, y, params):
    check_row_labels(X, y=y, **params)
    if y is not None and num_samples(y) != len(X):
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {len(X)} and "
            f"{num_samples(y)}."
        )
