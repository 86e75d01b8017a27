"""``early_stopping="auto"``: with enough samples, or a validation set of the user."""

import numpy as np
import pytest

from skmm import FusionClassifier, FusionRegressor, load
from skmm.base.validation_split import FEWEST_TO_STOP

RNG = np.random.default_rng(0)
N = FEWEST_TO_STOP
X = {"a": RNG.normal(size=(N, 3))}
Y = (X["a"][:, 0] > 0).astype(int)
SETTINGS = {"early_stopping": "auto", "max_epochs": 2, "random_state": 0}


def head(n):
    return {"a": X["a"][:n]}, Y[:n]


@pytest.mark.parametrize("kind", [FusionClassifier, FusionRegressor])
def test_the_number_of_samples_decides(kind):
    enough = kind(**SETTINGS).fit(X, Y)
    wanted = kind(**{**SETTINGS, "early_stopping": True}).fit(X, Y)
    assert enough.early_stopping_ is True and enough.best_epoch_ == wanted.best_epoch_
    assert np.array_equal(enough.predict(X), wanted.predict(X))
    few = kind(**SETTINGS).fit(*head(N - 1))
    wanted = kind(**{**SETTINGS, "early_stopping": False}).fit(*head(N - 1))
    assert few.early_stopping_ is False and not hasattr(few, "best_epoch_")
    assert np.array_equal(few.predict(X), wanted.predict(X))


def test_samples_of_weight_zero_do_not_count():
    weight = np.ones(N)
    weight[0] = 0
    model = FusionClassifier(**SETTINGS).fit(X, Y, weight)
    assert model.early_stopping_ is False


def test_a_validation_set_of_the_user_is_followed():
    model = FusionClassifier(**SETTINGS).fit(*head(30), validation_data=(X, Y))
    assert model.early_stopping_ is True and model.best_epoch_ >= 1


def test_partial_fit_does_not_stop_early():
    model = FusionClassifier(**SETTINGS).partial_fit(X, Y)
    assert model.early_stopping_ is False and "valid_loss" not in model.history_


def test_the_value_in_use_is_saved(tmp_path):
    model = FusionClassifier(**SETTINGS).fit(X, Y)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.early_stopping_ is True and again.best_epoch_ == model.best_epoch_
