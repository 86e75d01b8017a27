"""Pickles of weights on a device that another machine may not have.

Weights are pickled to bytes of their own, since the device of a tensor can only be
changed by the unpickler that reads it.
"""

import io
import pickle
import warnings

import torch
from skorch import NeuralNet
from skorch.exceptions import DeviceWarning
from torch import nn
from torch.serialization import location_tag

from skmm.data.tensors import resolve_device


class PortableNet(NeuralNet):
    """A skorch net that pickles its weights once, for any device."""

    # prefixes of attributes with weights, which skorch pickles together
    cuda_dependent_attributes_ = "module criterion penalised_ frozen_ schedule_".split()

    def __getstate__(self):
        state = super().__getstate__()
        if "generator_" in state:  # bytes, since a tensor would be moved to the device
            state["generator_"] = self.generator_.get_state().numpy().tobytes()
        return state

    def __setstate__(self, state):
        super().__setstate__({**state, "device": existing_device(state["device"])})
        if isinstance(state.get("generator_"), bytes):
            values = torch.frombuffer(bytearray(state["generator_"]), dtype=torch.uint8)
            self.generator_ = torch.Generator().set_state(values)


class Portable:
    """A value with modules that is unpickled to the CPU if its device is not there.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return _unpickled, (pickle.dumps(self.value),)


def portable(state):
    """Wrap the values of a dict that hold modules with weights on another device."""
    return {k: Portable(v) if _is_elsewhere(v) else v for k, v in state.items()}


def existing_device(device):
    """Return a device if this machine has it, else the CPU, with a warning."""
    try:
        resolve_device(device)
    except ValueError:
        warnings.warn(
            f"the model was pickled on device {str(device)!r}, which this machine does "
            "not have; it is loaded on the CPU.",
            DeviceWarning,
            stacklevel=3,
        )
        return "cpu"
    return device


def _is_elsewhere(value):
    return any(
        location_tag(tensor.untyped_storage()) not in ("cpu", "meta")
        for module in _modules(value)
        for tensor in [*module.parameters(), *module.buffers()]
        if not nn.parameter.is_lazy(tensor)
    )


def _modules(value):
    """Modules in a parameter: itself, or in containers and parameters of objects."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _modules(part)
    elif hasattr(value, "get_params") and not isinstance(value, type):
        yield from _modules(value.get_params(deep=False))


class _Unpickler(pickle.Unpickler):
    """An unpickler that reads tensors of missing devices to the CPU."""

    def find_class(self, module, name):
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _read_storage
        return super().find_class(module, name)


def _unpickled(data):
    return _Unpickler(io.BytesIO(data)).load()


def _read_storage(data):
    return torch.load(io.BytesIO(data), map_location=_place, weights_only=True)


def _place(storage, tag):
    """Storage of a tensor, which is on the CPU; None moves it to the device it was."""
    return None if existing_device(tag) == tag else storage
