"""Saving a fitted estimator to one file, and loading it without running its content."""

import copy
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.utils.validation import check_is_fitted

from skmm._random import seeded
from skmm.data.tensors import tensors_in
from skmm.nn.shape_inference import random_rows
from skmm.persistence.codecs import Objects, pack_params, unpack_params
from skmm.persistence.files import (
    from_bytes,
    refuse_folder,
    this_version,
    to_bytes,
    write_whole,
)
from skmm.persistence.json_codec import Kind
from skmm.training import resolve_device

UNFIT = (  # what data of another version may raise
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
SETTINGS = ("stages", "optimizer", "lr", "weight_decay", "lr_schedule", "gradient_clip")
SETTINGS += ("batch_size", "max_epochs", "verbose")


class Saving:
    """Mixin: `save`, for estimators whose parameters and attributes are data."""

    _fitted_by = ""  # the attribute that `fit` sets last

    def save(self, path):
        """Write the fitted estimator to one file, without pickle.

        Parameters
        ----------
        path : str or path-like
            A file there is replaced, all at once.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If a parameter is code or of a foreign class, as callbacks, functions and
            scikit-learn's estimators are; the message names it and what to do.
        OSError
            If the file cannot be written. Then there is no file, or the one before.

        See Also
        --------
        skmm.load : the way back, with what is kept.
        """
        check_is_fitted(self, self._fitted_by)
        refuse_folder(path)
        codec = Estimators()
        content = codec.pack(Fitted(self), "")
        try:
            data = to_bytes(content, codec.tensors, this_version())
        except (KeyError, ValueError) as error:
            raise TypeError(f"safetensors cannot store a tensor: {error}") from error
        _verify(self, data, codec.classes.met)
        write_whole(path, data)

    def _saved(self):
        """Fitted attributes, as values that the codec knows."""
        params = self.get_params(deep=False)
        return {key: v for key, v in vars(self).items() if key not in params}

    def _restore(self, attributes):
        """Set what `_saved` returned."""
        bad = [name for name in attributes if hasattr(type(self), name)]
        if bad:
            raise ValueError(f"it sets {bad}, which {type(self).__name__} defines")
        vars(self).update(attributes)
        return self


class NetSaving(Saving):
    """`Saving` for an estimator that holds one net."""

    _fitted_by = "net_"

    def _saved(self):
        net, module = self.net_, self.net_.module_
        settings = {name: getattr(net, name) for name in SETTINGS}
        settings["objective"] = net.criterion
        packed = {"parts": self._packed(module), "settings": settings}
        return {**super()._saved(), "net_": {**packed, "progress": net.progress()}}

    def _packed(self, module):
        """Parts of the module, of which `_unpacked` makes it anew."""
        return packed_net(module)

    def _unpacked(self, parts):
        return self._assemble(**parts)

    def _restore(self, attributes):
        super()._restore(attributes)
        packed = attributes["net_"]
        # the net has the parameters of its own fit, which may have changed since
        shell = copy.copy(self)
        vars(shell).update(packed["settings"], device=_usable(self.device))
        net = shell.make_net(self._unpacked(packed["parts"]))
        net.module_.eval()
        self.net_ = net.continue_from(packed["progress"])
        return self

    def _probe(self):
        """Outputs for some random rows."""
        module = self.net_.module_.eval()
        device = next((p.device for p in module.parameters()), self.net_.device)
        with seeded(0), torch.inference_mode():
            rows = {
                name: random_rows(encoder, self.shapes_in_[name]).to(device)
                for name, encoder in module.encoders.items()
            }
            return [part.cpu().float() for part in tensors_in(module(rows))]


def packed_net(module):
    """Parts of a MultimodalModule, as arguments of `assemble`."""
    encoders = dict(module.encoders.items())
    return {"encoders": encoders, "fusion": module.fusion, "head": module.head}


class MembersSaving(Saving):
    """`Saving` for an estimator that holds one fitted estimator per modality."""

    _fitted_by = "estimators_"

    def _saved(self):
        for name, member in self.estimators_.items():
            if not isinstance(member, Saving):
                raise TypeError(
                    f"the model of modality {name!r} is a {type(member).__name__}, "
                    "which cannot be saved without pickle. Use estimators of skmm, as "
                    "FusionClassifier, or save all of it with pickle or joblib."
                )
        members = {name: Fitted(m) for name, m in self.estimators_.items()}
        return {**super()._saved(), "estimators_": members}

    def _probe(self):
        return [out for m in self.estimators_.values() for out in m._probe()]


@dataclass
class Fitted:
    """Says that an estimator is to be stored with what it has learnt."""

    estimator: Saving


class Estimators(Objects):
    """`Objects`, and estimators, fitted or not."""

    storable = (*Objects.storable, Saving)

    def __init__(self, classes=(), tensors=None):
        super().__init__(classes, tensors)
        self.kinds["fitted"] = FITTED


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
    estimator = unpack_params(codec, data, Saving)
    return estimator._restore(codec.unpack(data["attributes"]))


FITTED = Kind(lambda codec, value: type(value) is Fitted, _pack_fitted, _unpack_fitted)


def load(path, *, classes=()):
    """Load an estimator that `save` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or path-like
    classes : sequence of classes, default=()
        Your own Blocks, Objectives and torch modules that the estimator uses. Only
        these, and skmm's and torch's own, are restored; nothing is imported.

    Returns
    -------
    estimator
        Fitted. It predicts bit for bit what the saved one predicts, and `partial_fit`
        and `warm_start` go on as that would, optimizer included.

    Raises
    ------
    ValueError
        If the file is damaged, a pickle or anything else that `save` did not write, of
        a newer format, or needs a class that is not in `classes`.
    OSError
        If there is no such file.

    Notes
    -----
    The file is one safetensors file: weights, buffers and the optimizer's state as
    tensors, all else as JSON in its header. So weights are read by any tool that knows
    safetensors, and there is no second file to lose; a checksum covers every byte. It
    finds damage, not forgery: who can write the file decides what is predicted.

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
    codec = Estimators(classes, tensors)
    try:
        with seeded(0):  # making weights draws numbers, before they are filled
            estimator = codec.unpack(content)
    except UNFIT as error:
        raise ValueError(
            f"its content, of skmm {version}, does not fit skmm {this_version()}: "
            f"{error}"
        ) from error
    if not isinstance(estimator, Saving):
        raise ValueError(f"it holds a {type(estimator).__name__}, not an estimator")
    return estimator


def _usable(device):
    """The device of a net: the estimator's if there is one like it."""
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def _verify(estimator, data, classes):
    """Read back what is about to be written: own classes may keep more than is saved.

    Raises
    ------
    TypeError
        If the copy cannot be made or answers otherwise.
    """
    try:
        copies = _read(data, classes)._probe()
    except ValueError as error:
        raise TypeError(f"this model cannot be saved: {error}. {ADVICE}") from error
    for mine, other in zip(estimator._probe(), copies, strict=True):
        if not torch.allclose(mine, other, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise TypeError(
                "this model cannot be saved: made anew from its parameters and "
                f"weights, it predicts something else. {ADVICE}"
            )


ADVICE = (
    "A Block, Objective or module must be determined by its constructor's parameters, "
    "its weights and its buffers; otherwise pickle the estimator."
)
