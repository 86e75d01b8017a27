"""Ctrl-C and out-of-memory errors during fit."""

import subprocess
import sys

import pytest
import torch
from skorch.callbacks import Callback

from skmm import FusionClassifier

X = {"a": torch.linspace(-1, 1, 40)[:, None].numpy()}
Y = (X["a"][:, 0] > 0).astype(int)


class Fails(Callback):
    """Raise at the beginning of a batch of the third epoch."""

    def __init__(self, error):
        self.error = error

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if len(net.history) == 3:
            raise self.error


def test_an_interrupted_estimator_can_predict_and_continue():
    stop = Fails(KeyboardInterrupt())
    model = FusionClassifier(
        callbacks=[stop], warm_start=True, random_state=0, max_epochs=5
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.predict(X).shape == (40,)
    assert 2 <= model.n_iter_ <= 3
    done = model.n_iter_
    model.set_params(callbacks=None).fit(X, Y)
    assert model.n_iter_ == done + 5


def test_out_of_memory_error_names_the_batch_size():
    full = Fails(torch.OutOfMemoryError("out of memory"))
    model = FusionClassifier(callbacks=[full], batch_size=7, random_state=0)
    with pytest.raises(MemoryError, match="batch_size=7"):
        model.fit(X, Y)
    assert not hasattr(model, "net_")


class Interrupts(Callback):
    """Ctrl-C before the first epoch."""

    def on_train_begin(self, net, **kwargs):
        raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [False, True, "keep_start"])
def test_an_interrupt_before_the_first_epoch_changes_nothing(early_stopping):
    settings = {"early_stopping": early_stopping, "random_state": 0, "max_epochs": 3}
    model = FusionClassifier(callbacks=[Interrupts()], warm_start=True, **settings)
    params = {*model.get_params(deep=False)}
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert {*vars(model)} == params
    model.set_params(callbacks=None).fit(X, Y)
    before, predicted = vars(model).copy(), model.predict_proba(X)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callbacks=[Interrupts()]).fit(X, Y)
    assert vars(model) == before | {"callbacks": model.callbacks}
    assert (model.predict_proba(X) == predicted).all()


INTERRUPTED_IMPORT = """
import os, signal, sys, time
import subprocess
import sys

import numpy as np
import skmm

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "sympy":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

sys.meta_path.insert(0, Interrupting())
X = {"a": np.random.default_rng(0).normal(size=(30, 3))}
model = skmm.FusionClassifier(max_epochs=1)
try:
    model.fit(X, X["a"][:, 0] > 0)
except KeyboardInterrupt:
    print("interrupted", hasattr(model, "net_"))
print(model.fit(X, X["a"][:, 0] > 0).n_iter_)
"""


def test_an_interrupted_import_of_torch_breaks_no_later_fit():
    command = [sys.executable, "-c", INTERRUPTED_IMPORT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["interrupted", "False", "1"], done.stderr
