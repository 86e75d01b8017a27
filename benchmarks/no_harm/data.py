"""The configurations of the no-harm table: problems of known and of unknown kind.

``kind`` says what a second modality can do. "complementary": it has a part of its own
that can be learnt from as many rows; these count for the gain. "redundant" and "noise":
it has nothing new; these count for the rest. "other" counts for harm only: weak or
purely joint signals, and real data of which nobody knows.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.no_harm import generators as made
from benchmarks.no_harm import real

TEST_ROWS = 2000  # of drawn problems
LARGEST = 10  # standard deviations; some columns are almost constant


@dataclass(frozen=True)
class Configuration:
    """A problem, how many rows train, and how to draw it."""

    name: str
    kind: str
    n: int
    n_modalities: int
    task: str
    source: Callable = field(repr=False)

    def draw(self, seed):
        """Return X, y, X_test, y_test.

        X is a dict of float32 arrays, standardised by the training rows and clipped
        at 10 standard deviations.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        X, y, X_test, y_test = self.source(rng, self.n)
        X, X_test = _standardised(X, X_test)
        y, y_test = _targets(self.task, y, y_test)
        return X, y, X_test, y_test


def _standardised(X, X_test):
    pairs = {name: _scaled(values, X_test[name]) for name, values in X.items()}
    return tuple({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))


def _scaled(train, test):
    mean, scale = train.mean(0), train.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    scaled = ((part - mean) / scale for part in (train, test))
    return tuple(part.clip(-LARGEST, LARGEST).astype(np.float32) for part in scaled)


def _targets(task, y, y_test):
    """Targets as float, or as the number of the class."""
    if task == "regression":
        return y.astype(float), y_test.astype(float)
    classes = np.unique(y)
    return np.searchsorted(classes, y), np.searchsorted(classes, y_test)


def fresh(problem):
    """Training and test rows of a drawn problem."""

    def source(rng, n):
        X, y = problem(rng, n + TEST_ROWS)
        X_test = {name: values[n:] for name, values in X.items()}
        return {name: values[:n] for name, values in X.items()}, y[:n], X_test, y[n:]

    return source


def split(load, task):
    """Training rows of a data set, drawn anew for every seed; the others test."""

    def source(rng, n):
        X, y = load()
        strata = y if task == "classification" else None
        seed = int(rng.integers(2**31))
        train, test = train_test_split(
            np.arange(len(y)), train_size=n, stratify=strata, random_state=seed
        )
        X_test = {name: values[test] for name, values in X.items()}
        X = {name: values[train] for name, values in X.items()}
        return X, y[train], X_test, y[test]

    return source


CLASSES, VALUES = "classification", "regression"
STRONG, WEAK = {"strength": 3.0}, {"strength": 0.6}
NARROW, WIDE = {"widths": (4, 4)}, {"widths": (8, 200)}

# name, kind, structure, options of planted, number of modalities, training rows
PLANTED = [
    ("complementary", "complementary", made.complementary(), STRONG, 2, (80, 250, 800)),
    ("curved", "complementary", made.curved, NARROW, 2, (250, 800)),
    ("own and xor", "complementary", made.own_and_xor, STRONG, 2, (800,)),
    ("wide signal", "complementary", made.complementary(), WIDE, 2, (250,)),
    ("three parts", "complementary", made.complementary(3), STRONG, 3, (80, 250)),
    ("four parts", "complementary", made.complementary(4), STRONG, 4, (800,)),
    ("redundant", "redundant", made.redundant(), {}, 2, (80, 250, 800)),
    ("degraded copy", "redundant", made.degraded, {}, 2, (80, 250, 2000)),
    ("three copies", "redundant", made.redundant(3), {}, 3, (250,)),
    ("noise", "noise", made.noise(), {}, 2, (80, 250, 800)),
    ("wide noise", "noise", made.noise(), WIDE, 2, (80, 250)),
    ("noise in three of four", "noise", made.noise(4), {}, 4, (80, 250)),
    ("nothing", "noise", made.nothing, {}, 2, (80, 250)),
    ("both weak", "other", made.complementary(), WEAK, 2, (80, 250, 800)),
    ("unequal", "other", made.unequal, {}, 2, (250,)),
    ("rare class", "other", made.complementary(), {"offset": -3.5}, 2, (250,)),
    ("xor", "other", made.xor, NARROW, 2, (250, 800, 2000)),
]
PLANTED_VALUES = [
    ("complementary", "complementary", made.complementary(), {}, 2, (80, 250, 800)),
    ("four parts", "complementary", made.complementary(4), {}, 4, (250,)),
    ("redundant", "redundant", made.redundant(), {}, 2, (80, 250)),
    ("degraded copy", "redundant", made.degraded, {}, 2, (250,)),
    ("noise", "noise", made.noise(), {}, 2, (80, 800)),
    ("wide noise", "noise", made.noise(), WIDE, 2, (80,)),
    ("both weak", "other", made.complementary(), WEAK, 2, (250,)),
    ("xor", "other", made.xor, NARROW, 2, (800,)),
]
# name, kind, problem, number of modalities, training rows
CODES = [
    ("half codes", "complementary", made.half_codes, 2, (80, 250)),
    ("unreliable", "complementary", made.unreliable(), 3, (250, 800)),
]
# name, kind, loader, task, number of modalities, training rows
BUNDLED = [
    ("digit halves", "complementary", real.digit_halves, CLASSES, 2, (250, 800)),
    ("digit quarters", "complementary", real.digit_quarters, CLASSES, 4, (250,)),
    ("digit and noise", "noise", real.digit_and_noise, CLASSES, 2, (250,)),
    ("breast cancer", "other", real.breast_cancer, CLASSES, 3, (80, 250)),
    ("wine", "other", real.wine, CLASSES, 2, (80,)),
    ("diabetes", "other", real.diabetes, VALUES, 2, (80, 250)),
    ("biodegradation", "other", real.biodegradation, CLASSES, 2, (250, 700)),
]
FURTHER = [
    ("mfeat fou kar", "other", real.mfeat("fou", "kar"), CLASSES, 2, (250,)),
    ("mfeat fac mor", "other", real.mfeat("fac", "mor"), CLASSES, 2, (250,)),
    ("mfeat zer kar mor", "other", real.mfeat("zer", "kar", "mor"), CLASSES, 3, (800,)),
    ("mice", "other", real.mice, CLASSES, 2, (30,)),
    ("splice", "complementary", real.splice, CLASSES, 2, (250, 800, 2000)),
    ("BACE", "other", real.bace, CLASSES, 2, (250, 800)),
    ("BACE, strength", "other", real.bace_strength, VALUES, 2, (250,)),
]


def configurations():
    """Return a dict of all configurations by name, as far as their data is there."""
    return {
        configuration.name: configuration
        for configuration in [*_drawn(), *_real(BUNDLED), *_further()]
    }


def _drawn():
    for rows, task in ((PLANTED, CLASSES), (PLANTED_VALUES, VALUES)):
        for name, kind, structure, options, count, sizes in rows:
            source = fresh(made.planted(structure, task, **options))
            yield from _sized(name, kind, count, task, source, sizes)
    for name, kind, problem, count, sizes in CODES:
        yield from _sized(name, kind, count, CLASSES, fresh(problem), sizes)


def _further():
    if real.folder() is not None:
        return _real(FURTHER)
    print("SKMM_DATA is not set; left out:", ", ".join(row[0] for row in FURTHER))
    return []


def _real(rows):
    for name, kind, load, task, count, sizes in rows:
        yield from _sized(name, kind, count, task, split(load, task), sizes)


def _sized(name, kind, n_modalities, task, source, sizes):
    suffix = ", values" if task == VALUES else ""
    for n in sizes:
        label = f"{name}{suffix}, n={n}"
        yield Configuration(label, kind, n, n_modalities, task, source)
