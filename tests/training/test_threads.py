"""torch threads: as many as the mini-batches feed; the user's number is put back."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skmm import FusionClassifier
from skmm.model_selection import fit_replicas
from skmm.nn import ConvEncoder, MLPEncoder
from skmm.nn.flops import operations
from skmm.training import batches, threads
from skmm.training.threads import WORK_PER_THREAD, estimated_operations, threads_for

RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=(60, 4))}
Y = (X["a"][:, 0] > 0).astype(int)


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Threads(Callback):
    """Note the number of threads in training."""

    seen = ()

    def on_epoch_end(self, net, **kwargs):
        Threads.seen = [*Threads.seen, torch.get_num_threads()]


def fitted(X=X, **settings):
    Threads.seen = ()
    settings = {"max_epochs": 2, "random_state": 0, **settings}
    return FusionClassifier(callbacks=[Threads()], **settings).fit(X, Y)


def test_a_small_net_is_trained_by_one_thread():
    model = fitted(early_stopping=True, monitor="accuracy")
    assert Threads.seen == [1, 1]
    assert torch.get_num_threads() == 4
    model.predict(X)
    assert torch.get_num_threads() == 4


def test_a_large_net_is_trained_by_all_threads():
    wide = MLPEncoder((2000, 2000))
    fitted(encoders=wide, batch_size=60)
    assert Threads.seen == [4, 4]


@pytest.mark.parametrize(("work", "number"), [(0, 1), (1.9, 1), (2.1, 2), (99, 4)])
def test_threads_grow_with_the_work(work, number):
    with threads_for(work * WORK_PER_THREAD):
        assert torch.get_num_threads() == number
    assert torch.get_num_threads() == 4


def test_a_smaller_number_of_the_user_is_never_raised():
    torch.set_num_threads(2)
    with threads_for(float("inf")):
        assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    fitted(encoders=MLPEncoder((2000, 2000)), batch_size=60)
    assert Threads.seen == [1, 1]
    assert torch.get_num_threads() == 1


def test_predictions_of_many_samples_use_more(monkeypatch):
    model, seen = fitted(encoders=MLPEncoder((128, 128))), []
    monkeypatch.setattr(threads, "_set", seen.append)
    model.predict(X)
    model.predict({"a": np.zeros((200_000, 4))})
    assert [seen[0], seen[2]] == [1, 4]
    assert seen[1::2] == [4, 4]


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyError("after an epoch")


def test_the_number_is_put_back_after_errors(monkeypatch):
    with pytest.raises(KeyError):
        FusionClassifier(callbacks=[Fails()]).fit(X, Y)
    assert torch.get_num_threads() == 4
    with pytest.raises(FloatingPointError):
        FusionClassifier(lr=1e30, optimizer="sgd").fit(X, Y)
    assert torch.get_num_threads() == 4
    model = fitted()
    monkeypatch.setattr(batches, "_put", None)
    monkeypatch.setattr(batches, "slice_rows", lambda rows: 8)
    with pytest.raises(TypeError):
        model.predict(X)
    assert torch.get_num_threads() == 4


def test_replicas_put_the_number_back(monkeypatch):
    seen, original = [], threads._set

    def spy(number):
        seen.append(number)
        original(number)

    monkeypatch.setattr(threads, "_set", spy)
    model = FusionClassifier(max_epochs=2, random_state=0)
    models = fit_replicas(model, X, Y, [np.arange(50), np.arange(10, 60)])
    assert len(models) == 2
    assert seen == [1, 4]
    assert torch.get_num_threads() == 4
    with pytest.raises(FloatingPointError):
        fit_replicas(model, X, Y, [np.arange(50)] * 2, params=[{"lr": 1e30}] * 2)
    assert torch.get_num_threads() == 4


def test_fits_in_several_threads_leave_the_right_number():
    numbers, barrier = [], threading.Barrier(4)

    def fit(seed):
        barrier.wait()
        for _ in range(3):
            model = FusionClassifier(max_epochs=3, random_state=seed)
            model.fit(X, Y).predict(X)
            numbers.append(torch.get_num_threads())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fit, range(4)))
        barrier.reset()
        list(pool.map(fit, range(4)))
    assert numbers == [4] * 24
    assert torch.get_num_threads() == 4
    new = threading.Thread(target=lambda: numbers.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert numbers[-1] == 4
    assert threads._Shared.active == 0


def test_a_thread_keeps_its_own_number():
    numbers, inside, done = [], threading.Event(), threading.Event()

    def with_two():
        torch.set_num_threads(2)
        with threads_for(0):
            numbers.append(torch.get_num_threads())
        inside.set()
        done.wait()
        with threads_for(0):  # while the main thread has a limit
            pass
        numbers.append(torch.get_num_threads())

    worker = threading.Thread(target=with_two)
    worker.start()
    inside.wait()
    with threads_for(0):
        done.set()
        worker.join()
    assert numbers == [1, 2]
    assert torch.get_num_threads() == 4


def test_nested_limits_go_up_to_the_number_of_the_user():
    with threads_for(0):
        with threads_for(float("inf")):
            assert torch.get_num_threads() == 4
        assert torch.get_num_threads() == 1


def test_the_estimate_is_near_the_count():
    model = FusionClassifier(max_epochs=1, random_state=0).fit(X, Y)
    module, shapes = model.net_.module_, model.shapes_in_
    found, counted = estimated_operations(module, shapes), operations(module, shapes)
    assert counted <= found <= 1.2 * counted
    images = {"a": RNG.normal(size=(60, 1, 12, 12))}
    encoder = ConvEncoder((8, 8), hidden=(5,))
    model = FusionClassifier(encoder, max_epochs=1, random_state=0).fit(images, Y)
    module, shapes = model.net_.module_, model.shapes_in_
    found, counted = estimated_operations(module, shapes), operations(module, shapes)
    assert counted <= found <= 10 * counted


SCRIPT = """
import numpy as np, torch
from skmm import FusionClassifier
X = {"a": np.random.default_rng(0).normal(size=(60, 4))}
before = torch.get_num_threads()
model = FusionClassifier(max_epochs=2).fit(X, X["a"][:, 0] > 0)
model.predict(X)
assert torch.get_num_threads() == before
print(before)
"""


def test_the_number_of_a_new_process_is_put_back():
    run = [sys.executable, "-c", SCRIPT]
    assert int(subprocess.check_output(run)) >= 1
