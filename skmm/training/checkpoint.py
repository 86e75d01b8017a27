"""A file from which an interrupted fit is resumed, with the same result."""

import os
from pathlib import Path

import torch
from skorch.callbacks import Callback

from skmm.data.tensors import tensors_in
from skmm.training.callbacks import EarlyStopping
from skmm.training.fingerprint import describe, digest

VERSION = 4
HASH_ROWS = 4096
START = "random_state or structure"  # in a key, the weights before training


class ResumeFile(Callback):
    """Write the state of training after every epoch, and resume from it.

    The file contains weights, the states of optimizer and schedule, history, random
    states, and the best weights of early stopping. It is written atomically, and
    removed at the end of the fit.

    Parameters
    ----------
    path : str or path-like
    key : dict of str to str
        Identifies the fit; a file with another key raises an error.
    """

    def __init__(self, path, key):
        self.path = path
        self.key = key

    def on_train_begin(self, net, **kwargs):
        """Resume from the file, if there is one."""
        if not Path(self.path).absolute().parent.is_dir():
            raise ValueError(
                f"checkpoint={str(self.path)!r}: its folder does not exist."
            )
        if os.path.exists(self.path):
            self._go_on(net, self._read())

    def on_epoch_end(self, net, **kwargs):
        """Write the file."""
        temporary = Path(f"{self.path}.part")
        torch.save(self._state(net), temporary)
        os.replace(temporary, self.path)

    def on_train_end(self, net, **kwargs):
        """Remove the file, unless training was interrupted."""
        if net.finished_:
            Path(self.path).unlink(missing_ok=True)

    def _read(self):
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            version, key = int(state["version"]), dict(state["key"])
        except Exception as error:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is not a valid skmm checkpoint "
                f"({type(error).__name__}); remove it, or use another path."
            ) from error
        if version != VERSION:
            age = "an older" if version < VERSION else "a newer"
            raise ValueError(
                f"checkpoint={str(self.path)!r} was written by {age} version of skmm "
                f"(format {version}; this version reads {VERSION}). Remove it, or use "
                "another path."
            )
        if other := self._differing(key):
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another fit: it has other "
                f"{' and '.join(other)}. Remove it, or use another path."
            )
        return state

    def _differing(self, key):
        """Names of what differs; the start only if no parameter explains it."""
        other = [name for name in self.key if key.get(name) != self.key[name]]
        if {*other} - {START, "data"}:
            return [name for name in other if name != START]
        return other

    def _state(self, net):
        return {
            "version": VERSION,
            "key": self.key,
            "stage": net.stage_,
            "module": net.learner_.state_dict(),
            "progress": net.progress(),
            "lrs": [group["lr"] for group in net.optimizer_.param_groups],
            "schedule": net.schedule_ and net.schedule_.state_dict(),
            "random": _random_states(net.device),
            "stopped": net.stop_training,
            "best": [_best(callback) for callback in _stoppers(net)],
        }

    def _go_on(self, net, state):
        """Skip finished stages; restore the interrupted one."""
        if state["stage"] > net.stage_:
            net.epochs_ = 0
        if state["stage"] == net.stage_:
            self._restore(net, state)

    def _restore(self, net, state):
        net.learner_.load_state_dict(state["module"])
        net.continue_from(state["progress"])
        for group, lr in zip(net.optimizer_.param_groups, state["lrs"], strict=True):
            group["lr"] = lr
        if net.schedule_ is not None:
            net.schedule_.load_state_dict(state["schedule"])
        for stopper, best in zip(_stoppers(net), state["best"], strict=True):
            vars(stopper).update(best)
        for generator, random in zip(
            _generators(net.device), state["random"], strict=True
        ):
            generator.set_state(random)
        done = sum(row.get("stage", 1) == net.stage_ for row in net.history)
        net.epochs_ = 0 if state["stopped"] else max(0, net.epochs_ - done)


def _stoppers(net):
    return [c for _, c in net.callbacks_ if isinstance(c, EarlyStopping)]


def _best(stopper):
    names = ("best_loss_", "best_epoch_", "best_state_")
    return {name: getattr(stopper, name) for name in names}


def _generators(device):
    own = [torch.default_generator]
    if torch.device(device).type == "cuda":
        own.append(torch.cuda.default_generators[torch.cuda.current_device()])
    return own


def _random_states(device):
    return [generator.get_state() for generator in _generators(device)]


def fit_key(params, module, train, valid):
    """Return the key of a fit, from its parameters, initial weights and data.

    Parameters
    ----------
    params : dict
    module : Module
        Before training.
    train, valid : (TensorRows, Tensor), or None

    Returns
    -------
    dict of str to str
        Digests: one for each parameter, that of the start, and that of the data.

    Raises
    ------
    ValueError
        If a parameter cannot be compared between processes.
    """
    start = [value for _, value in sorted(module.state_dict().items())]
    return {
        **{name: _digest_of(name, value) for name, value in params.items()},
        START: digest(_bytes(start)),
        "data": digest(_bytes([*_sources(train), *_sources(valid)])),
    }


def _digest_of(name, value):
    try:
        return digest(describe(value))
    except TypeError as error:
        raise ValueError(
            f"checkpoint cannot compare the {name} of a later fit: {error}. Make "
            "its class picklable, by __getstate__ or __reduce__, or use "
            "checkpoint=None."
        ) from error


def _sources(pair):
    if pair is None:
        return []
    rows, target = pair
    named = [source for _, source in sorted(rows.x.items())]
    extra = [part for part in (rows.present, rows.weight) if part is not None]
    return [*named, *extra, *tensors_in(target)]


def _bytes(sources):
    for source in sources:
        if isinstance(source, torch.Tensor) and source.ndim == 0:
            yield source.cpu().numpy().tobytes()
            continue
        for start in range(0, len(source), HASH_ROWS):
            yield source[start : start + HASH_ROWS].cpu().numpy().tobytes()
