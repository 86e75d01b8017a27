"""Export of the net of a fitted estimator to formats that need neither skmm nor Python.

What is exported reads one tensor per modality and returns probabilities or values.
"""

import copy
import io
from contextlib import contextmanager

import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmm._files import check_path, write_atomically
from skmm.nn.shape_inference import random_rows
from skmm.targets import ClassTarget, ValueTarget

FORMATS = ("torch", "onnx")
OUTPUTS = {ClassTarget: "probabilities", ValueTarget: "values"}


def export(estimator, path, *, format="torch"):
    """Export the net of a fitted estimator, for use without skmm.

    Parameters
    ----------
    estimator : FusionClassifier, FusionRegressor or another estimator of one net
        Its net must return one tensor. Not a Pipeline: transformers are not exported.
    path : str or path-like
        An existing file is replaced atomically.
    format : {"torch", "onnx"}, default="torch"
        "torch" is a program for ``torch.export.load``; "onnx" needs the packages onnx
        and onnxscript.

    Raises
    ------
    TypeError
        If the estimator has no such net.
    ValueError
        If `format` is unknown, a modality was missing in all training samples or is
        text, or PyTorch cannot trace the net.
    ImportError
        If a package is missing.
    NotFittedError
        If the estimator is not fitted.
    OSError
        If the file cannot be written.

    Notes
    -----
    Inputs are tensors of shape (n_samples, ...), one per modality in the order of
    `modalities_in_`, of float32 or the `in_dtype` of the encoder. `n_samples` is
    dynamic. All modalities must be present.
    The output is of float32, and of the shape that the estimator predicts:
    probabilities in the order of `classes_`, (n_samples, n_outputs), or values on the
    scale of y, (n_samples,) or (n_samples, n_outputs). Everything before the net is
    left out: the steps of a Pipeline, and the conversion of frames to arrays.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import torch
    >>> import skmm
    >>> X = {"a": np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)}
    >>> model = skmm.FusionClassifier(max_epochs=1).fit(X, X["a"][:, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skmm.export(model, f"{folder}/model.pt2")
    ...     program = torch.export.load(f"{folder}/model.pt2").module()
    >>> found = program(torch.from_numpy(X["a"])).detach().numpy()
    >>> bool(np.allclose(found, model.predict_proba(X), atol=1e-6))
    True
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}; got {format!r}.")
    net = _exported(estimator)
    check_path(path)
    rows = _example(estimator)
    dynamic = ({0: torch.export.Dim("n_samples")},) * len(rows)
    with torch.no_grad():
        write = _onnx if format == "onnx" else _torch
        with _explaining(estimator):
            data = write(net, rows, (dynamic,), estimator)
    write_atomically(path, data)


class Exported(nn.Module):
    """A net that reads one tensor per modality and returns decoded outputs.

    Parameters
    ----------
    module : MultimodalModule
    names : list of str
    target : ClassTarget or ValueTarget
    """

    def __init__(self, module, names, target):
        super().__init__()
        self.module, self.names = module, names
        self.is_class = isinstance(target, ClassTarget)
        self.multilabel = getattr(target, "multilabel", False)
        self.flat = getattr(target, "flat", False)
        for name in () if self.is_class else ("mean", "scale"):
            value = torch.from_numpy(getattr(target, name))
            self.register_buffer(name, value)

    def forward(self, *rows):
        """Return probabilities or values, of the shape of the estimator's."""
        outputs = self.module(dict(zip(self.names, rows, strict=True)))
        if self.multilabel:
            return outputs.sigmoid()
        if self.is_class:
            return outputs.softmax(-1)
        values = (outputs.double() * self.scale + self.mean).float()
        return values[:, 0] if self.flat else values


def _exported(estimator):
    target = getattr(estimator, "_target", None)
    if hasattr(estimator, "_fitted_by"):
        check_is_fitted(estimator, estimator._fitted_by)
    module = getattr(getattr(estimator, "net_", None), "module_", None)
    if module is None or module.gives or not isinstance(target, tuple(OUTPUTS)):
        raise TypeError(
            "export needs an estimator whose net returns one tensor, such as "
            f"FusionClassifier or FusionRegressor; got a {type(estimator).__name__}. "
            "Of a Pipeline, export the last step."
        )
    _check_all_seen(estimator)
    _check_no_text(estimator)
    module = copy.deepcopy(module).eval().cpu()
    module._compiled_call_impl = None  # of compile=True
    return Exported(module, list(estimator.shapes_in_), target)


def _check_all_seen(estimator):
    names = list(estimator.modalities_in_)
    seen = getattr(estimator, "modalities_seen_", names)
    if unseen := [name for name in names if name not in seen]:
        raise ValueError(
            f"export needs modalities that training samples had; {unseen} were missing "
            f"in all of them. Fit skmm.restrict(estimator, {seen}), and export that."
        )


def _check_no_text(estimator):
    if text := [name for name, shape in estimator.shapes_in_.items() if shape == ()]:
        raise ValueError(
            f"export cannot include the conversion of text to numbers; got {text}, "
            "which the encoder reads as text. Convert it before the net, such as with "
            "a TfidfVectorizer in a ModalityTransformer, and export the last step of "
            "the Pipeline."
        )


def _example(estimator):
    encoders = estimator.net_.module_.encoders
    drawn = torch.Generator().manual_seed(0)
    return tuple(
        random_rows(encoders[name], shape, generator=drawn).repeat_interleave(2, 0)
        for name, shape in estimator.shapes_in_.items()
    )


@contextmanager
def _explaining(estimator):
    """Turn errors of the tracing into a ValueError."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        raise ValueError(
            f"the net of the {type(estimator).__name__} cannot be exported, because "
            "PyTorch cannot trace it for any number of samples; its parts must not use "
            f"values of tensors in Python: {type(error).__name__}: {first}"
        ) from error


def _torch(net, rows, dynamic, estimator):
    program, buffer = (
        torch.export.export(net, rows, dynamic_shapes=dynamic),
        io.BytesIO(),
    )
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _onnx(net, rows, dynamic, estimator):
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'format="onnx" needs the package {error.name!r}: pip install onnx '
            'onnxscript, or use format="torch".'
        ) from error
    program = torch.onnx.export(
        net,
        rows,
        dynamo=True,
        dynamic_shapes=dynamic,
        input_names=[str(name) for name in net.names],
        output_names=[OUTPUTS[type(estimator._target)]],
        verbose=False,
    )
    return program.model_proto.SerializeToString()
