"""Data, predictions and assertions that the checks share."""

from contextlib import contextmanager

import numpy as np
import torch
from joblib import parallel_config
from sklearn.base import clone, is_classifier

from skmm.data import ModalityDict


def make_data(estimator, n_rows=48, seed=0):
    """Return X with an image and a table, and a y that suits the estimator."""
    rng = np.random.default_rng(seed)
    X = ModalityDict(
        image=rng.normal(size=(n_rows, 1, 4, 4)), table=rng.normal(size=(n_rows, 5))
    )
    signal = X["table"][:, 0] + X["image"][:, 0, 0, 0]
    y = np.where(signal > np.median(signal), "yes", "no").astype(object)
    return X, (y if is_classifier(estimator) else signal)


def predictions(estimator, X):
    """Return probabilities of a classifier, values of a regressor, or embeddings."""
    if not hasattr(estimator, "predict"):
        return np.concatenate([*estimator.transform(X).values()], axis=1)
    classifies = is_classifier(estimator)
    predict = estimator.predict_proba if classifies else estimator.predict
    return np.asarray(predict(X))


def only_table(estimator):
    """Clone without the parameters of the modality "image"."""
    params = estimator.get_params(deep=False)
    dicts = {key: value for key, value in params.items() if isinstance(value, dict)}
    trimmed = {
        key: {name: part for name, part in value.items() if name != "image"}
        for key, value in dicts.items()
    }
    return clone(estimator).set_params(**trimmed)


def assert_close(a, b, **kwargs):
    """Compare up to rounding errors of float32 and of other batch sizes."""
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, **kwargs)


def assert_raises(call, *words):
    """Check that `call` raises a ValueError or TypeError that contains all words."""
    try:
        call()
    except (ValueError, TypeError) as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"the message does not contain {missing}: {error}"
        return
    raise AssertionError(f"no error was raised; expected one that contains {words}")


@contextmanager
def one_thread():
    """Use one thread here and in workers, as float32 sums depend on their number.

    Workers share the cores and would have fewer threads than this process, which
    changes a score after three epochs by up to 0.1 %.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            yield
    finally:
        torch.set_num_threads(before)
