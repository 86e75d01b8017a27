"""Fit the model of one modality, or find that it has too few samples."""

import re
from contextlib import contextmanager

import numpy as np

from skmm._views import fit_text
from skmm.base import takes_modalities
from skmm.data import leaves
from skmm.data.unseen import warn_unseen

TOO_FEW = re.compile(  # what scikit-learn and the nets of skmm raise
    r"Found array with \d+ sample|minimum of \d+ is required"
    r"|samples must be more than the number of|than \d+ examples for at least one class"
    r"|cannot be greater than the number of|n_neighbors <= n_samples"
    r"|at least \d+ (samples|members)|needs samples of at least 2 classes"
    r"|least populated class.* has only"
)
PROBED = 50  # with fewer samples, a model has to predict one of them


class TooFewSamplesError(ValueError):
    """A model cannot be fitted on the samples in which its modality is present."""


def why_not_fitted(present, y, is_class, weight=None):
    """Return why no model can be fitted on samples of a modality, or None.

    Parameters
    ----------
    present : ndarray of shape (n_samples,) of bool
    y : ndarray of shape (n_samples, ...)
    is_class : bool
        Whether y has classes.
    weight : ndarray of shape (n_samples,), optional
        Samples of zero weight do not count.
    """
    rows = present if weight is None else present & (weight > 0)
    if not rows.any():
        return f"missing in all {len(rows)} training samples"
    classes = np.unique(y[rows]).tolist() if is_class else []
    if len(classes) == 1:
        return (
            f"present in training samples of class {classes[0]!r} only, on which no "
            "model is fitted"
        )
    return None


def able(members, X, y, is_class, fit_params):
    """Return the members that have samples to be fitted on; warn of the others.

    Parameters
    ----------
    members : dict of str to estimator
    X : ModalityDict
    y : ndarray of shape (n_samples, ...)
    is_class : bool
    fit_params : dict of str to dict
        Parameters of `fit` of each member.
    """
    found = {}
    for name, member in members.items():
        weight = fit_params[name].get("sample_weight")
        reason = why_not_fitted(X.present[name], y, is_class, weight)
        if reason is None:
            found[name] = member
        else:
            warn_unseen([name], reason)
    return found


def some(members):
    """Return the members, after a check that there is at least one."""
    if not members:
        raise ValueError(
            "no modality has samples on which its model can be fitted; give samples of "
            "at least two classes in which a modality is present, or more samples."
        )
    return members


@contextmanager
def leaving_out(name, possible):
    """Warn instead of raising an error if a model has too few samples.

    Parameters
    ----------
    name : str
        The modality.
    possible : bool
        Whether the model can be left out.
    """
    try:
        yield
    except ValueError as error:
        if not possible or not isinstance(error.__cause__, TooFewSamplesError):
            raise
        warn_unseen([name], f"not used, since {error.__cause__}")


def fit_model(member, data, y, params, probe=None):
    """Fit a model on the samples in which its modality is present.

    Parameters
    ----------
    member : estimator
    data : ModalityDict or leaf
    y : ndarray of shape (n_samples, ...)
    params : dict
        Other parameters of `fit`.
    probe : callable, optional
        ``probe(model, data)`` predicts; given if the modality is missing in other
        samples.

    Returns
    -------
    model : fitted estimator
    as_column : bool
        Whether it reads text of shape (n_samples, 1).

    Raises
    ------
    TooFewSamplesError
        If `probe` is given and the model needs more samples.
    """
    try:
        model, as_column = _fit(member, data, y, params)
        if probe is not None and len(y) < PROBED:
            first = leaves.take(data, np.arange(1)) if _is_leaf(member) else data[:1]
            probe(model, first[:, None] if as_column else first)
    except ValueError as error:
        if probe is None or not TOO_FEW.search(str(error)):
            raise
        raise TooFewSamplesError(
            f"its {type(member).__name__} cannot be fitted on {len(y)} samples: {error}"
        ) from error
    return model, as_column


def _fit(member, data, y, params):
    if not _is_leaf(member) or leaves.kind(data) != "text":
        return member.fit(data, y, **params), False
    found = fit_text(member, data, lambda part, leaf: part.fit(leaf, y, **params))
    return found[1:]


def _is_leaf(member):
    """Whether a model reads the leaf of its modality, and not a ModalityDict."""
    return not takes_modalities(member)
