"""Seeds, global random generators and threads."""

import random
import threading

import numpy as np
import pytest
import torch
from sklearn import clone
from skorch.callbacks import Callback

from skmm.nn import MLPEncoder
from tests.estimators.fusions import classifier, proba
from tests.toys import (
    assert_same_state,
    state_of,
    two_tables,
)


def generators():
    numpy_state = np.random.get_state()
    return (
        torch.get_rng_state().tolist(),
        numpy_state[1].tolist(),
        numpy_state[2],
        random.getstate(),
    )


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stop")


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_global_generators_are_not_changed(random_state, early_stopping):
    X, y = two_tables()
    before = generators()
    model = classifier(
        random_state=random_state,
        early_stopping=early_stopping,
        encoders=MLPEncoder((4,), dropout=0.5),
    )
    model.fit(X, y).predict(X)
    assert generators() == before
    with pytest.raises(RuntimeError, match="stop"):
        model.set_params(callbacks=[Fails()]).fit(X, y)
    assert generators() == before


def test_global_generators_have_no_effect():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5))
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        results.append(proba(model, X, y))
    np.testing.assert_array_equal(*results)


def test_the_same_seed_the_same_model():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), early_stopping=True)
    first = proba(model, X, y)
    np.testing.assert_array_equal(first, proba(model, X, y))
    np.testing.assert_array_equal(first, proba(clone(model), X, y))
    other = proba(clone(model).set_params(random_state=1), X, y)
    assert np.abs(first - other).max() > 1e-3


def test_no_seed_gives_different_nets():
    X, y = two_tables()
    a, b = (proba(classifier(random_state=None), X, y) for _ in range(2))
    assert np.abs(a - b).max() > 1e-4


def test_a_random_state_gives_a_seed():
    X, y = two_tables()
    a, b = (
        proba(classifier(random_state=np.random.RandomState(3)), X, y) for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)
    state = np.random.RandomState(3)
    first, second = (proba(classifier(random_state=state), X, y) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4


def test_threads_do_not_disturb_each_other():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), max_epochs=5)
    expected, results = proba(clone(model), X, y), {}
    barrier = threading.Barrier(3)

    def work(i, mine):
        barrier.wait()
        results[i] = proba(mine, X, y)

    threads = [threading.Thread(target=work, args=(i, clone(model))) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for result in results.values():
        np.testing.assert_array_equal(result, expected)


def test_threads_may_fit_the_same_estimator():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.5), max_epochs=5)
    expected = proba(clone(model), X, y)
    threads = [threading.Thread(target=model.fit, args=(X, y)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_initial_weights_do_not_depend_on_other_modalities():
    X, y = two_tables()
    starts = {}
    for names in (["a"], ["a", "b"], ["b", "a"]):
        data = classifier().prepare(X.select(names), y)
        starts[tuple(names)] = state_of(data.module.encoders["a"])
    for state in starts.values():
        assert_same_state(state, starts[("a",)])
