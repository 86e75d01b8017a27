"""Data, answers and expectations that the checks share."""

from contextlib import contextmanager

import numpy as np
import torch
from joblib import parallel_config
from sklearn.base import clone, is_classifier

from skmm.data import ModalityDict


def make_data(estimator, n_rows=48, seed=0):
    """Return X with an image, a table and a target that suits the estimator."""
    rng = np.random.default_rng(seed)
    X = ModalityDict(
        image=rng.normal(size=(n_rows, 1, 4, 4)), table=rng.normal(size=(n_rows, 5))
    )
    signal = X["table"][:, 0] + X["image"][:, 0, 0, 0]
    y = np.where(signal > np.median(signal), "yes", "no").astype(object)
    return X, (y if is_classifier(estimator) else signal)


def answers(estimator, X):
    """Probabilities of a classifier, values of a regressor, else embeddings."""
    if not hasattr(estimator, "predict"):
        return np.concatenate([*estimator.transform(X).values()], axis=1)
    ask = estimator.predict_proba if is_classifier(estimator) else estimator.predict
    return np.asarray(ask(X))


def only_table(estimator):
    """Clone, without the parts that are meant for other modalities."""
    params = estimator.get_params(deep=False)
    dicts = {key: value for key, value in params.items() if isinstance(value, dict)}
    trimmed = {
        key: {name: part for name, part in value.items() if name != "image"}
        for key, value in dicts.items()
    }
    return clone(estimator).set_params(**trimmed)


def assert_close(a, b, **kwargs):
    """Equal up to what float32 and another batch size may change."""
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, **kwargs)


def refuses(call, *words):
    """Whether `call` raises a ValueError or TypeError that contains all words."""
    try:
        call()
    except (ValueError, TypeError) as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"the message lacks {missing}: {error}"
        return
    raise AssertionError(f"no error was raised; expected one that names {words}")


@contextmanager
def one_thread():
    """Let this process and workers have one thread, on which float32 sums depend.

    Workers share the cores, and so would have fewer threads than this process: a score
    of three epochs then differs by up to 1e-3 of itself.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            yield
    finally:
        torch.set_num_threads(before)
