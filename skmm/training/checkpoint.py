"""A file from which an interrupted fit is resumed, with the same result.

The file is a line that names the format, a line with a checksum of the rest, and what
``torch.save`` writes.
"""

import io
import os
from contextlib import contextmanager
from pathlib import Path

import torch
from skorch.callbacks import Callback

from skmm._files import checksum, remove_leftovers, write_atomically
from skmm.data.tensors import tensors_in
from skmm.training.callbacks import EarlyStopping
from skmm.training.fingerprint import describe, digest
from skmm.training.schedules import set_settings, settings_of

VERSION = 5
MAGIC = b"skmm checkpoint"
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
        check_checkpoint(self.path)
        with self._naming_file("read"):
            remove_leftovers(self.path)
            try:
                data = Path(self.path).read_bytes()
            except FileNotFoundError:  # also if another fit has just ended
                return
        self._go_on(net, self._checked(data))

    def on_epoch_end(self, net, **kwargs):
        """Write the file."""
        data = to_bytes(self._state(net))
        with self._naming_file("written"):
            write_atomically(self.path, data)

    def on_train_end(self, net, **kwargs):
        """Remove the file, unless training was interrupted."""
        if net.finished_:
            Path(self.path).unlink(missing_ok=True)

    @contextmanager
    def _naming_file(self, done):
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"checkpoint={str(self.path)!r} cannot be {done} "
                f"({error.strerror or error}); free space, or use another path",
            ) from error

    def _checked(self, data):
        """State of training in the bytes of the file, if it belongs to this fit."""
        version = self._version(data)
        if version != VERSION:
            age = "an older" if version < VERSION else "a newer"
            raise ValueError(
                f"checkpoint={str(self.path)!r} was written by {age} version of skmm "
                f"(format {version}; this version reads {VERSION}). Remove it, or use "
                "another path."
            )
        state = from_bytes(data)
        if state is None:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is damaged or truncated (wrong "
                "checksum). Remove it to start again, or use another path."
            )
        key = dict(state["key"])
        if other := self._differing(key):
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another fit: it has other "
                f"{' and '.join(other)}. Remove it, or use another path."
            )
        return state

    def _version(self, data):
        try:
            return version_of(data)
        except Exception as error:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is not a valid skmm checkpoint, or is "
                f"damaged ({type(error).__name__}); remove it, or use another path."
            ) from error

    def _differing(self, key):
        """Names of what differs; the start only if nothing else explains it.

        It depends on the parameters, and on the data through ``Block.adapt``.
        """
        other = [name for name in self.key if key.get(name) != self.key[name]]
        return [name for name in other if name != START] or other

    def _state(self, net):
        return {
            "key": self.key,
            "stage": net.stage_,
            "module": net.learner_.state_dict(),
            "progress": net.progress(),
            "lrs": [group["lr"] for group in net.optimizer_.param_groups],
            "groups": settings_of(net.optimizer_),
            "schedule": net.schedule_ and net.schedule_.inner.state_dict(),
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
        # files of earlier versions have the rates only
        set_settings(
            net.optimizer_, state.get("groups", [{"lr": lr} for lr in state["lrs"]])
        )
        if net.schedule_ is not None:
            net.schedule_.inner.load_state_dict(state["schedule"])
        for stopper, best in zip(_stoppers(net), state["best"], strict=True):
            vars(stopper).update(best)
        for generator, random in zip(
            _generators(net.device), state["random"], strict=True
        ):
            generator.set_state(random)
        done = sum(row.get("stage", 1) == net.stage_ for row in net.history)
        net.epochs_ = 0 if state["stopped"] else max(0, net.epochs_ - done)


def check_checkpoint(path):
    """Check that a path may be that of a checkpoint.

    Raises
    ------
    ValueError
        If the path is empty or a folder, or its folder does not exist.
    """
    path, shown = os.fspath(path), f"checkpoint={str(path)!r}"
    if not path:
        raise ValueError(f"{shown} must be the path of a file, or None.")
    if Path(path).is_dir():
        raise ValueError(f"{shown} is a folder; add the name of a file.")
    if not Path(path).absolute().parent.is_dir():
        raise ValueError(f"{shown}: its folder does not exist.")


def to_bytes(state):
    """Bytes of a file with a state of training."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    return b"%b %d\n%b\n" % (MAGIC, VERSION, checksum(data).encode()) + data


def from_bytes(data):
    """State of training from the bytes of a file; None if the checksum is wrong."""
    _, digest, data = data.split(b"\n", 2)
    if digest != checksum(data).encode():
        return None
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def version_of(data):
    """Format of the bytes of a file; before format 5 it had no checksum."""
    if data.startswith(b"PK"):  # what torch.save writes
        file = io.BytesIO(data)
        return min(4, int(torch.load(file, weights_only=True)["version"]))
    first, digest, _ = data.split(b"\n", 2)
    name, _, version = first.rpartition(b" ")
    if name != MAGIC or len(digest) != 64:
        raise ValueError
    return int(version)


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
