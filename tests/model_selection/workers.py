"""Searches that several processes run on one study."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression

from skmm.model_selection import ModalitySearchCV
from tests.toys import two_tables

X, Y = two_tables(60)
TABLE = np.hstack([X["a"], X["b"]])
HOLD, ENDS = "SKMM_TEST_HOLD", "SKMM_TEST_ENDS"
START = "SKMM_TEST_START"  # path of a file to wait for


class Watched(LogisticRegression):
    """Sleeps in fit, or kills its process once, if the environment asks for it."""

    def fit(self, X, y):
        if HOLD in os.environ:
            Path(os.environ[HOLD]).touch()
            time.sleep(300)
        if ENDS in os.environ and not Path(os.environ[ENDS]).exists():
            Path(os.environ[ENDS]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


def search(storage, **params):
    params = {"n_trials": 6, "cv": 3, "random_state": 0, **params}
    space = {"C": loguniform(1e-3, 10)}
    return ModalitySearchCV(Watched(), space, storage=storage, **params)


def main(storage):
    """Work until the study is finished, and print the number of results."""
    while START in os.environ and not Path(os.environ[START]).exists():
        time.sleep(0.05)
    print(len(search(storage).fit(TABLE, Y).cv_results_["params"]))
