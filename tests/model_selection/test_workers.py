"""More processes and machines: the same numbers, and nothing lost when one dies.

The clusters are real: processes of Dask and loky on this machine.
"""

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmm import FusionClassifier, ModalityDict
from skmm.model_selection import (
    BootstrapOutOfBag,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
)

NET = FusionClassifier(max_epochs=5, lr=0.01, random_state=0)


class Fatal(TransformerMixin, BaseEstimator):
    """Kills the process that fits it, once the count of fits is reached; then never.

    Parameters
    ----------
    folder : str
        Where every fit leaves a file.
    at : int
    """

    def __init__(self, folder, at):
        self.folder, self.at = folder, at

    def fit(self, X, y=None):
        """Do not learn; maybe die."""
        folder = Path(self.folder)
        (folder / f"fit {os.urandom(8).hex()}").touch()
        if len(list(folder.glob("fit *"))) >= self.at:
            with contextlib.suppress(FileExistsError):
                (folder / "dead").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        self.fitted_ = True
        return self

    def transform(self, X):
        """Return X."""
        return X


@pytest.fixture
def fatal(tmp_path):
    """Makes a model that kills one worker at its fifth fit."""
    folder = tmp_path / "fits"
    folder.mkdir()
    return make_pipeline(Fatal(str(folder), at=5), NET)


def fits_in(model):
    return len(list(Path(model[0].folder).glob("fit *")))


@pytest.fixture(scope="module")
def cluster():
    """Two processes of Dask."""
    from dask.distributed import Client, LocalCluster

    settings = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, processes=True, **settings) as cluster:
        with Client(cluster) as client:
            yield client


@pytest.fixture
def dask(cluster):
    """Joblib sends its jobs to the cluster; with one worker it would not."""
    cluster.wait_for_workers(2, timeout=60)
    with parallel_config("dask"):
        yield


def draw(n=200):
    rng = np.random.default_rng(0)
    X = ModalityDict({name: rng.normal(size=(n, 4)) for name in "ab"})
    return X, (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)


def joined(X):
    return np.hstack(list(X.values()))


def compared(model, X, y, **settings):
    settings = {"resampling": 4, "replicas": False, "random_state": 0} | settings
    return compare_modalities(model, X, y, **settings).table["mean"]


def test_scikit_learn_on_a_cluster(dask):
    X, y = draw()
    with parallel_config("sequential"):
        serial = cross_validate(NET, X, y, cv=4)["test_score"]
    np.testing.assert_array_equal(cross_validate(NET, X, y, cv=4)["test_score"], serial)


def test_a_worker_that_dies_loses_nothing(dask, fatal, tmp_path):
    X, y = draw()
    cache = tmp_path / "fits.jsonl"
    found = compared(fatal, X, y, cache=cache)
    assert fits_in(fatal) > 12  # what the dead one had begun, again
    assert len(cache.read_text().splitlines()) == 1 + 12
    with parallel_config("sequential"):
        np.testing.assert_array_equal(found, compared(NET, X, y))


def test_batches_of_replicas_on_a_cluster(dask):
    X, y = draw()
    found = compared(NET, X, y, replicas="auto", resampling=30)
    with parallel_config("sequential"):
        alone = compared(NET, X, y, resampling=30)
    np.testing.assert_allclose(found, alone, atol=1e-4)


@pytest.mark.parametrize("refit", [cross_validate_replicas, bootstrap_score])
def test_refits_on_a_cluster_survive_a_death(dask, fatal, refit):
    X, y = draw()
    splits = {"resampling": BootstrapOutOfBag(8, random_state=0)}
    splits = {"cv": 8} if refit is cross_validate_replicas else splits
    linear = [FunctionTransformer(joined), LogisticRegression()]  # not for one batch
    found = refit(make_pipeline(fatal[0], *linear), X, y, **splits)
    assert fits_in(fatal) > 8
    with parallel_config("sequential"):
        alone = refit(make_pipeline(*linear), X, y, **splits)
    key = "test_score" if "test_score" in found else "oob_scores"
    np.testing.assert_array_equal(found[key], alone[key])


def test_what_a_dead_process_had_done_is_not_done_again(fatal, tmp_path):
    X, y = draw()
    cache = tmp_path / "fits.jsonl"
    with pytest.raises(TerminatedWorkerError):
        compared(fatal, X, y, n_jobs=2, cache=cache)
    done = len(cache.read_text().splitlines()) - 1
    before = fits_in(fatal)
    found = compared(fatal, X, y, n_jobs=2, cache=cache)
    assert fits_in(fatal) - before == 12 - done
    np.testing.assert_array_equal(found, compared(NET, X, y))
