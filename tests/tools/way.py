"""Count the files, functions and calls of the package that one call enters.

Run ``python tests/tools/way.py`` for the table of all `CALLS`, or with the name of one
to list the files that it enters.
"""

import sys
import threading
from pathlib import Path

import numpy as np

import skmm
from skmm.model_selection import ModalitySearchCV, compare_modalities

ROOT = Path(skmm.__file__).parent


class Way:
    """Files and functions of the package that are entered while it is active."""

    def __init__(self):
        self.calls = {}

    def __enter__(self):
        self.before = sys.getprofile()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error):
        sys.setprofile(self.before)
        threading.setprofile(self.before)

    def _note(self, frame, event, argument):
        code = frame.f_code
        own = code.co_filename.startswith(str(ROOT))
        if event == "call" and own and not code.co_name.startswith("<"):
            self.calls[code] = self.calls.get(code, 0) + 1

    @property
    def files(self):
        """Paths below the package, sorted."""
        names = {code.co_filename for code in self.calls}
        return sorted(Path(name).relative_to(ROOT).as_posix() for name in names)

    @property
    def functions(self):
        """Number of functions entered."""
        return len(self.calls)

    @property
    def n_calls(self):
        """Number of calls."""
        return sum(self.calls.values())


def _data():
    rng = np.random.default_rng(0)
    X = skmm.ModalityDict(a=rng.normal(size=(60, 4)), b=rng.normal(size=(60, 3)))
    return X, (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)


def _fusion(**params):
    return skmm.FusionClassifier(max_epochs=2, random_state=0, **params)


def _fit():
    X, y = _data()
    model = _fusion()
    return lambda: model.fit(X, y)


def _predict_proba():
    X, y = _data()
    model = _fusion().fit(X, y)
    return lambda: model.predict_proba(X)


def _no_harm():
    X, y = _data()
    model = skmm.NoHarmFusionClassifier(max_epochs=2, random_state=0)
    return lambda: model.fit(X, y)


def _compare():
    X, y = _data()
    model = _fusion()
    return lambda: compare_modalities(model, X, y)


def _search():
    X, y = _data()
    search = ModalitySearchCV(_fusion(), n_trials=3, cv=2, random_state=0)
    return lambda: search.fit(X, y)


CALLS = {
    "FusionClassifier.fit": _fit,
    "FusionClassifier.predict_proba": _predict_proba,
    "NoHarmFusionClassifier.fit": _no_harm,
    "compare_modalities": _compare,
    "ModalitySearchCV.fit": _search,
}


def walk(name):
    """Return the `Way` of one of `CALLS`; the call is made once before, to warm up."""
    CALLS[name]()()
    call = CALLS[name]()
    with Way() as way:
        call()
    return way


def own_classes(cls):
    """Classes of the package among the ancestors of a class, itself included."""
    return [c for c in cls.__mro__ if c.__module__.split(".")[0] == ROOT.name]


def main(names):
    """Print the table, and the files of the calls that are named."""
    print(f"{'call':32} files functions calls")
    for name in CALLS:
        way = walk(name)
        print(f"{name:32} {len(way.files):5} {way.functions:9} {way.n_calls:5}")
        for file in way.files if name in names else ():
            print(f"    {file}")
    mro = own_classes(skmm.FusionClassifier)
    files = {cls.__module__ for cls in mro}
    print(f"FusionClassifier: {len(mro)} classes of the package in {len(files)} files")


if __name__ == "__main__":
    main(sys.argv[1:])
