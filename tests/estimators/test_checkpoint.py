"""checkpoint=: an interrupted fit reaches the weights of the uninterrupted one."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch.optim.lr_scheduler import OneCycleLR

from skmm import FusionClassifier
from skmm._files import remove_leftovers, write_atomically
from skmm.nn import ConcatFusion, MLPEncoder
from skmm.training import Stage, TensorNet, checkpoint
from skmm.training.checkpoint import START, VERSION, from_bytes, to_bytes

RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=(60, 4))}
Y = (X["a"][:, 0] > 0).astype(int)


def model(path, **settings):
    defaults = {"max_epochs": 8, "random_state": 0, "checkpoint": path}
    return FusionClassifier(MLPEncoder((6,), dropout=0.4), **{**defaults, **settings})


def interrupt(monkeypatch, at):
    """Let Ctrl-C come in the middle of an epoch."""
    original = TensorNet._lean_step

    def step(self, rows, target):
        if len(self.history) == at:
            raise KeyboardInterrupt
        return original(self, rows, target)

    monkeypatch.setattr(TensorNet, "_lean_step", step)


CASES = [
    {},
    {"lr_schedule": "cosine"},
    {"lr_schedule": "plateau", "lr": 0.1},
    {"lr_schedule": "onecycle", "batch_size": 16},
    {"lr_schedule": "warmup_cosine", "batch_size": 16},
    {"lr_schedule": partial(OneCycleLR, max_lr=0.1, total_steps=32), "batch_size": 16},
    {"early_stopping": True, "patience": 2, "max_epochs": 30, "lr": 0.05},
    {"optimizer": "sgd", "lr": 0.1, "gradient_clip": 0.1},
    {"stages": [Stage(epochs=2), Stage("head", epochs=6, start="initial", lr=0.1)]},
    {"stages": [Stage(epochs=6), Stage("head", epochs=2)], "lr_schedule": "cosine"},
    {
        "stages": [Stage("encoders"), Stage("head")],
        "early_stopping": True,
        "patience": 2,
        "lr": 0.3,
    },
]


@pytest.mark.parametrize("settings", CASES, ids=range(len(CASES)))
def test_an_interrupted_fit_reaches_the_same_weights(settings, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    whole = model(tmp_path / "other.ckpt", **settings).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, at=4)
        with pytest.raises(KeyboardInterrupt):
            model(path, **settings).fit(X, Y)
    assert path.exists()
    resumed = model(path, **settings).fit(X, Y)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    np.testing.assert_array_equal(
        resumed.history_["train_loss"], whole.history_["train_loss"]
    )
    assert not list(tmp_path.iterdir())


def test_a_killed_process_goes_on(tmp_path):
    path, script = tmp_path / "fit.ckpt", tmp_path / "fit.py"
    script.write_text(
        "import numpy as np; from skmm import FusionClassifier\n"
        "from skmm.nn import MLPEncoder\n"
        "X = {'a': np.random.default_rng(0).normal(size=(60, 4))}\n"
        "Y = (X['a'][:, 0] > 0).astype(int)\n"
        "FusionClassifier(MLPEncoder((6,), dropout=0.4), max_epochs=100_000,"
        f" random_state=0, checkpoint={str(path)!r}).fit(X, Y)\n"
    )
    process = subprocess.Popen([sys.executable, script])
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = from_bytes(path.read_bytes())
    done = len(state["progress"]["history"])
    assert done > 0
    # the killed fit would have gone on for long: finish it at three epochs more
    epochs = model(None, max_epochs=done + 3, checkpoint=None)
    whole = epochs.fit(X, Y)
    state["key"] = key_of(epochs, tmp_path)
    path.write_bytes(to_bytes(state))
    resumed = epochs.set_params(checkpoint=path).fit(X, Y)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.n_iter_ == done + 3


def key_of(estimator, folder):
    """Key that a fit of these parameters would write."""
    from sklearn.base import clone

    from skmm.base.warm_start import resume_file

    other = clone(estimator).set_params(checkpoint=folder / "key")
    return resume_file(other, other.prepare(X, Y)).key


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lr": 0.5}, "lr"),
        ({"random_state": 1}, "random_state"),
        ({"encoders": MLPEncoder((7,))}, "encoders"),
    ],
)
def test_a_checkpoint_of_another_fit_is_rejected(change, reason, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    with monkeypatch.context() as patch:
        interrupt(patch, at=3)
        with pytest.raises(KeyboardInterrupt):
            model(path).fit(X, Y)
    with pytest.raises(ValueError, match=rf"belongs to another fit.*{reason}"):
        model(path).set_params(**change).fit(X, Y)
    with pytest.raises(ValueError, match="other data"):
        model(path).fit({"a": X["a"] + 1e-3}, Y)
    with pytest.raises(ValueError, match="other data"):
        model(path).fit(X, 1 - Y)
    assert path.exists()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"fusion": ConcatFusion((3,))}, "fusion"),
        ({"lr": 0.5, "random_state": 1}, "lr and random_state"),
        ({}, "random_state or structure"),
    ],
    ids=["fusion", "two", "start"],
)
def test_only_what_differs_is_named(change, names, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    interrupted(path, monkeypatch)
    if not change:
        state = from_bytes(path.read_bytes())
        path.write_bytes(to_bytes(state | {"key": state["key"] | {START: "0"}}))
    with pytest.raises(ValueError, match=f"it has other {names}. Remove it"):
        model(path, **change).fit(X, Y)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (VERSION - 1, f"was written by an older version .*format {VERSION - 1}"),
        (VERSION + 1, f"was written by a newer version .*format {VERSION + 1}"),
    ],
)
def test_checkpoints_of_other_versions(version, message, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "VERSION", version)
        interrupted(path, patch)
    with pytest.raises(ValueError, match=message):
        model(path).fit(X, Y)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"version": 4}, "was written by an older version .*format 4"),
        ({"version": "four"}, "not a valid skmm checkpoint"),
        ({"weights": torch.ones(2)}, "not a valid skmm checkpoint"),
    ],
)
def test_files_without_a_checksum(state, message, tmp_path):
    path = tmp_path / "fit.ckpt"
    torch.save(state, path)
    with pytest.raises(ValueError, match=message):
        model(path).fit(X, Y)


def test_no_damaged_file_is_resumed(tmp_path, monkeypatch):
    path, rng = tmp_path / "fit.ckpt", np.random.default_rng(0)
    interrupted(path, monkeypatch)
    whole = path.read_bytes()
    for place in [*range(100), *rng.integers(len(whole), size=300)]:
        damaged = bytearray(whole)
        damaged[place : place + rng.integers(1, 9)] = rng.bytes(3)
        path.write_bytes(damaged if damaged != whole else whole[:-1])
        with pytest.raises(ValueError, match=r"checkpoint=.*fit\.ckpt.*[Rr]emove it"):
            model(path).fit(X, Y)
    for stop in rng.integers(1, len(whole), size=50):
        path.write_bytes(whole[:stop])
        with pytest.raises(ValueError, match=r"checkpoint=.*damaged.*[Rr]emove it"):
            model(path).fit(X, Y)
    path.write_bytes(whole)
    model(path).fit(X, Y)


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_checkpoint_that_cannot_be_written_is_named(name, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, fail)
    path = tmp_path / "fit.ckpt"
    with pytest.raises(OSError, match=r"checkpoint=.*fit\.ckpt.*No space left") as e:
        model(path).fit(X, Y)
    assert e.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "message"),
    [("", "must be the path of a file"), ("{}", "folder"), ("{}/no/fit", "folder")],
)
def test_paths_that_cannot_be_a_checkpoint(path, message, tmp_path):
    with pytest.raises(ValueError, match=f"^checkpoint=.*{message}"):
        model(path.format(tmp_path)).fit(X, Y)


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    path, script = tmp_path / "fit.ckpt", tmp_path / "write.py"
    script.write_text(
        "import os, signal, sys; from skmm._files import write_atomically\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(sys.argv[1], b'something')\n"
    )
    subprocess.run([sys.executable, script, path])
    other = tmp_path / ".other.part"
    other.write_bytes(b"not ours")
    assert len(list(tmp_path.glob(".fit.ckpt.*.part"))) == 1
    model(path).fit(X, Y)
    assert {*tmp_path.iterdir()} == {script, other}


def test_a_file_that_is_being_written_is_no_leftover(tmp_path, monkeypatch):
    path, fsync, seen = tmp_path / "fit.ckpt", os.fsync, []

    def meanwhile(file):
        remove_leftovers(path)
        seen.extend(tmp_path.iterdir())
        fsync(file)

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_atomically(path, b"content")
    assert len(seen) == 1 and path.read_bytes() == b"content"


def test_fits_that_share_a_path(tmp_path):
    """They end without an error, and as if they were alone."""
    path = tmp_path / "fit.ckpt"
    whole = model(None, max_epochs=30).fit(X, Y).predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(model(path, max_epochs=30).fit, X, Y) for _ in range(4)]
        found = [fit.result().predict_proba(X).shape for fit in fits]
    assert found == [whole.shape] * 4 and not list(tmp_path.iterdir())


def interrupted(path, monkeypatch):
    """Write the checkpoint of a fit that was interrupted."""
    with monkeypatch.context() as patch:
        interrupt(patch, at=3)
        with pytest.raises(KeyboardInterrupt):
            model(path).fit(X, Y)


@pytest.mark.parametrize("content", [b"", b"nothing of ours", os.urandom(500)])
def test_a_damaged_file_is_rejected(content, tmp_path):
    path = tmp_path / "fit.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a valid skmm checkpoint.*remove it"):
        model(path).fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"random_state": None}, "integer random_state"),
        ({"callbacks": [Callback()]}, "callbacks=None"),
        ({"warm_start": True}, "warm_start=False"),
    ],
)
def test_what_could_not_be_repeated_is_rejected(settings, reason, tmp_path):
    with pytest.raises(ValueError, match=f"checkpoint needs.*{reason}"):
        model(tmp_path / "fit.ckpt", **settings).fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit does not use checkpoint"):
        model(tmp_path / "fit.ckpt").partial_fit(X, Y)


def test_other_weights_to_start_from_are_another_fit(tmp_path, monkeypatch):
    """Of modules in `stages` and in `encoders`, which print the same."""
    path = tmp_path / "fit.ckpt"
    found = [model(None, random_state=s, max_epochs=1).fit(X, Y) for s in (1, 2)]
    starts = [{"encoders__a": m.encoders_["a"]} for m in found]
    settings = [{"stages": [Stage("head", start=start)]} for start in starts]
    with monkeypatch.context() as patch:
        interrupt(patch, at=4)
        with pytest.raises(KeyboardInterrupt):
            model(path, **settings[0]).fit(X, Y)
    with pytest.raises(ValueError, match="it has other stages"):
        model(path, **settings[1]).fit(X, Y)
    model(path, **settings[0]).fit(X, Y)


def test_long_lists_count_to_their_end(tmp_path, monkeypatch):
    """scikit-learn's repr of a Stage is cut after some elements."""
    path, names = tmp_path / "fit.ckpt", ["head"] * 40
    with monkeypatch.context() as patch:
        interrupt(patch, at=4)
        with pytest.raises(KeyboardInterrupt):
            model(path, stages=[Stage([*names, "encoders"])]).fit(X, Y)
    with pytest.raises(ValueError, match="it has other stages"):
        model(path, stages=[Stage([*names, "fusion"])]).fit(X, Y)


def test_an_encoder_that_draws_resumes_exactly(tmp_path, monkeypatch):
    class Drawing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 6)

        def forward(self, x):
            return torch.nn.functional.dropout(self.linear(x), 0.5, training=True)

    settings = {"stages": [Stage("head", epochs=8)], "random_state": 0}
    encoder = Drawing()
    whole = FusionClassifier({"a": encoder}, **settings).fit(X, Y)
    settings["checkpoint"] = tmp_path / "fit.ckpt"
    with monkeypatch.context() as patch:
        interrupt(patch, at=4)
        with pytest.raises(KeyboardInterrupt):
            FusionClassifier({"a": encoder}, **settings).fit(X, Y)
    resumed = FusionClassifier({"a": encoder}, **settings).fit(X, Y)
    np.testing.assert_array_equal(
        resumed.history_["train_loss"], whole.history_["train_loss"]
    )


OWN_OBJECTIVE = """
import os, sys
import numpy as np
from torch.nn.functional import cross_entropy
from skmm import FusionClassifier

class Tilted:
    calls = 0

    def __init__(self, tilt):
        self.tilt = tilt

    def __call__(self, outputs, target, weight=None):
        Tilted.calls += 1
        if Tilted.calls == int(sys.argv[3]):
            os._exit(9)
        return self.tilt * cross_entropy(outputs, target)

X = {"a": np.random.default_rng(0).normal(size=(60, 4))}
Y = (X["a"][:, 0] > 0).astype(int)
model = FusionClassifier(
    objective=Tilted(float(sys.argv[2])), max_epochs=6, batch_size=60, random_state=0,
    checkpoint=None if sys.argv[1] == "none" else sys.argv[1],
).fit(X, Y)
print(model.predict_proba(X).tobytes().hex(), Tilted.calls)
"""


def test_an_objective_of_ones_own_in_a_later_process(tmp_path):
    """It prints as an address, which is no part of what it is."""
    script, path = tmp_path / "fit.py", tmp_path / "fit.ckpt"
    script.write_text(OWN_OBJECTIVE)

    def fit(*arguments):
        command = [sys.executable, script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    assert fit(path, 2.0, 5).returncode == 9
    assert path.exists()
    other = fit(path, 3.0, -1)
    assert "belongs to another fit: it has other objective" in other.stderr
    resumed, whole = fit(path, 2.0, -1), fit("none", 2.0, -1)
    assert resumed.returncode == whole.returncode == 0, resumed.stderr
    (found, calls), (expected, all_calls) = resumed.stdout.split(), whole.stdout.split()
    assert found == expected and int(calls) < int(all_calls)


def test_an_objective_that_cannot_be_compared_is_rejected(tmp_path):
    class Locked:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, outputs, target, weight=None):
            return torch.nn.functional.cross_entropy(outputs, target)

    with pytest.raises(
        ValueError, match=r"compare the objective.*a lock.*__getstate__"
    ):
        model(tmp_path / "fit.ckpt", objective=Locked()).fit(X, Y)
    model(None, objective=Locked(), max_epochs=1).fit(X, Y)
