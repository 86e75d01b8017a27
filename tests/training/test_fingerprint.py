"""Fingerprints of equal parameters are equal, in every process, and others differ."""

import collections
import copy
import enum
import functools
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from skmm.nn import MLPEncoder
from skmm.objectives import Objective
from skmm.training import Stage, fingerprint
from skmm.training.fingerprint import describe, digest


class Plain:
    """An object whose repr is an address."""

    def __init__(self, state):
        self.state = state


class Slotted:
    __slots__ = ("state",)

    def __init__(self, state):
        self.state = state


class Mute(Plain):
    def __repr__(self):
        return "always the same"

    def method(self):
        return self.state


@dataclass
class Held:
    state: object
    inner: object = field(default_factory=lambda: Plain(1))


class Named(Objective):
    def __init__(self, state=0):
        self.state = state


class Scaled(torch.nn.Module):
    """Its repr does not show its attributes."""

    def __init__(self, state):
        super().__init__()
        self._state, self.also = state, Plain(state)


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


def adding(state):
    return lambda x: [x + state, lambda: state]


def by_default(state):
    def function(x, state=state):
        return x + state

    return function


def first(x):
    return x.first


def second(x):
    return x.second


second.__qualname__ = first.__qualname__ = "same"


MAKERS = [
    Plain,
    Slotted,
    Mute,
    Held,
    Named,
    Scaled,
    adding,
    by_default,
    np.array,
    torch.tensor,
    str,
    lambda state: {"key": state},
    lambda state: {(Plain(1), state): 0},
    lambda state: {"some", "names", str(state)},
    lambda state: frozenset([str(state), "c", "d"]),
    lambda state: collections.deque([1, state]),
    lambda state: np.array([Plain(state), None], dtype=object),
    lambda state: functools.partial(torch.optim.SGD, momentum=state),
    lambda state: Mute(state).method,
    lambda state: list(Level)[state],
    lambda state: range(state),
    lambda state: np.random.default_rng(state),
    lambda state: torch.nn.Sequential(torch.nn.Dropout(state / 10)),
    lambda state: torch.nn.Sequential(torch.nn.ReLU(), Scaled(state)),
    lambda state: MLPEncoder((state + 1,)),
    lambda state: Stage(["head"] * 40 + [["encoders", "fusion"][state]]),
    lambda state: StandardScaler(with_mean=bool(state)),
    lambda state: [np.mean, torch.add, torch.float32, torch.device("cpu"), np, state],
    lambda state: [torch.relu, torch.tanh][state],
    lambda state: [first, second][state],
    lambda state: [Plain, Mute][state],
]


def key(value, **settings):
    return digest(describe(value, **settings))


@pytest.mark.parametrize("make", MAKERS, ids=range(len(MAKERS)))
def test_equal_states_are_equal_and_others_not(make):
    one, same, other = make(0), make(0), make(1)
    assert key(one) == key(same) != key(other)
    assert key(one, weights=False) == key(same, weights=False)


def test_fingerprints_are_the_same_in_every_process():
    """The hash seed affects the order of sets."""
    keys = [key(make(1)) for make in MAKERS]
    script = (
        "from tests.training.test_fingerprint import MAKERS, key\n"
        "print(*[key(make(1)) for make in MAKERS])"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.split() == keys


def test_cyclic_objects():
    def ring(state):
        value = Plain([state])
        value.state.append(value)
        return value

    assert key(ring(0)) == key(ring(0)) != key(ring(1))

    def recursive(state):
        def call(x):
            return call(x - state)

        return call

    assert key(recursive(0)) == key(recursive(0)) != key(recursive(1))


def nested(share, depth, kind=list, end=0):
    """``[[[end, end], [end, end]], ...]``, of one object per level or of many."""
    value = [end]
    for _ in range(depth):
        other = value if share else copy.deepcopy(value)
        value = Plain([value, other]) if kind is Plain else kind([value, other])
    return value


@pytest.mark.parametrize("kind", [list, tuple, Plain])
def test_sharing_of_objects_does_not_matter(kind):
    one, same = (nested(share, 5, kind) for share in (True, False))
    assert key(one) == key(same) != key(nested(True, 5, kind, end=1))
    assert key(one) != key(nested(True, 4, kind))


@pytest.mark.parametrize("kind", [list, Plain])
def test_shared_objects_are_described_once(kind, monkeypatch):
    calls, original = [], fingerprint._parts
    monkeypatch.setattr(
        fingerprint, "_parts", lambda *args: calls.append(1) or original(*args)
    )
    key(nested(True, 60, kind))
    ring = []
    ring.append(nested(True, 60, kind, end=ring))
    key(ring)
    assert len(calls) < 2000


def test_sharing_of_cyclic_objects_does_not_matter():
    """At whatever depth they occur first."""

    def ring():
        value = [0]
        value.append([value])
        return value

    one = ring()
    assert key([one, [one]]) == key([ring(), [ring()]]) != key([one, [one[1]]])
    assert key([[one], one]) == key([[ring()], ring()])
    assert key([one, one[1]]) == key([ring(), ring()[1]])


def test_ids_of_deleted_objects_are_not_reused():
    """Objects made while reading one are deleted before the next is read."""

    class Fleeting:
        def __init__(self, state):
            self.state = state

        def __reduce__(self):
            return Fleeting, ([[self.state]],)

    many = [[Fleeting(i) for i in range(200)] for _ in range(2)]
    assert key(many[0]) == key(many[1])
    assert len({key([Fleeting(0), each]) for each in many[0]}) == 200


def test_weights_are_optional():
    one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    assert key(one) != key(other)
    assert key(one, weights=False) == key(other, weights=False)
    wide = torch.nn.Linear(2, 4)
    assert key(one, weights=False) != key(wide, weights=False)


def test_modules_are_the_same_in_training_and_evaluation_and_compiled():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LazyLinear(2))
    before = key(module)
    module.eval()
    module.compile(backend="eager")
    assert key(module) == before


def test_error_if_the_state_cannot_be_read():
    lock = Plain(threading.Lock())
    with pytest.raises(TypeError, match="the state of a lock cannot be compared"):
        key(lock)
    assert key(lock, weights=False) == key(Plain(threading.Lock()), weights=False)


def made(body, base=object):
    """An object of a user's class with a method of this body."""
    space = {"__name__": "own", "base": base}
    exec(f"class Own(base):\n    def call(self, x):\n        return {body}\n", space)
    return space["Own"]()


@pytest.mark.parametrize("base", [object, BaseEstimator, torch.nn.Module])
def test_code_of_classes_of_the_user(base):
    codes = ("x + 1", "x + 1", "x")
    one, same, other = (digest(describe(made(body, base))) for body in codes)
    assert one == same != other


def test_code_of_inherited_methods():
    parents = [type(made(body)) for body in ("x + 1", "x")]
    heirs = [type("Heir", (parent,), {"__module__": "own"})() for parent in parents]
    assert digest(describe(heirs[0])) != digest(describe(heirs[1]))
