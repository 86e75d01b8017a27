"""Saving and restoring an estimator of one net."""

import copy

import torch

from skmm._random import seeded
from skmm.base.adapting import await_unseen
from skmm.data.tensors import resolve_device
from skmm.nn.composite.ensemble import Ensemble
from skmm.nn.shape_inference import random_rows
from skmm.persistence.saving import fitted_attributes, set_attributes
from skmm.training import TensorNet


def saved_attributes(estimator):
    """Fitted attributes, with the parts, settings and progress of the net."""
    net = estimator.net_
    settings = {name: getattr(net, name) for name in net.settings}
    settings["objective"] = net.criterion
    packed = {"parts": estimator._packed(net.module_), "settings": settings}
    attributes = fitted_attributes(estimator)
    packed |= {"progress": net.progress(), "schedule": net.schedule_progress()}
    return {**attributes, "net_": packed}


def restore(estimator, attributes):
    """Set fitted attributes from the result of `saved_attributes`."""
    set_attributes(estimator, attributes)
    packed = attributes["net_"]
    # parameters of the estimator may have changed since the net was fitted
    shell = copy.copy(estimator)
    settings = dict(packed["settings"])
    objective = settings.pop("objective")
    if bad := sorted({*settings} - {*TensorNet.settings}):
        raise ValueError(f"it contains invalid settings of a net, {bad}")
    vars(shell).update(settings, device=_usable(estimator.device))
    net = shell.make_net(estimator._unpacked(packed["parts"]), objective)
    net.module_.eval()
    estimator._structure = {**estimator._structure_digests(), **estimator._structure}
    estimator.net_ = net.continue_from(packed["progress"])
    await_unseen(estimator)
    if packed.get("schedule") is not None:  # not in files of earlier versions
        net.in_calls_ = True
        net.earlier_schedule_ = net.lr_schedule, packed["schedule"]
    return estimator


def packed_parts(module):
    """Parts of a net as keyword arguments of `assemble`; of an ensemble, of each."""
    if isinstance(module, Ensemble):
        parts = [packed_parts(member) for member in module.split()]
        return {"members": parts, "average": module.average}
    encoders = dict(module.encoders.items())
    return {"encoders": encoders, "fusion": module.fusion, "head": module.head}


def unpacked(estimator, parts):
    """Make the module of an estimator from the result of `packed_parts`."""
    if "members" not in parts:
        return estimator._assemble(**parts)
    members = [estimator._assemble(**one) for one in parts["members"]]
    return Ensemble(members, parts["average"]).pack()


def probe(estimator):
    """Outputs of the net for a few random samples."""
    module = estimator.net_.module_.eval()
    device = next((p.device for p in module.parameters()), estimator.net_.device)
    with seeded(0), torch.inference_mode():
        rows = {
            name: random_rows(encoder, estimator.shapes_in_[name]).to(device)
            for name, encoder in module.encoders.items()
        }
        outputs = module(rows)
    tensors = outputs.values() if isinstance(outputs, dict) else [outputs]
    return [output.cpu() for output in tensors]


def _usable(device):
    """The device, or the CPU if this machine does not have it."""
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")
