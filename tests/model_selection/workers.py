"""What processes that work on one study run."""

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


class Watched(LogisticRegression):
    """Stops in its fit, or ends its process once, if the environment says so."""

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
    """Work until the study is finished, and say what is known then."""
    print(len(search(storage).fit(TABLE, Y).cv_results_["params"]))
