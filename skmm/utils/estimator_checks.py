"""Checks that every multimodal estimator must pass.

scikit-learn's ``check_estimator`` tests the contract on plain tables; these checks
test modalities, masks, names and seeds. Use both.
"""

import pickle
import warnings
from copy import deepcopy

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags

from skmm.data.unseen import UNSEEN
from skmm.utils._checking import (
    assert_close,
    assert_raises,
    make_data,
    one_thread,
    only_table,
    predictions,
)
from skmm.utils.block_checks import check_block, same_weights

__all__ = [
    "check_block",
    "check_multimodal_estimator",
    "multimodal_checks",
    "parametrize_with_checks",
]


def check_same_seed_same_model(estimator):
    """Two fits with the same seed agree bit for bit."""
    X, y = make_data(estimator)
    a, b = (predictions(clone(estimator).fit(X, y), X) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def check_samples_are_independent(estimator):
    """The prediction for a sample does not depend on the other samples."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    assert_close(predictions(estimator, X[:3]), predictions(estimator, X)[:3])
    order = np.random.default_rng(1).permutation(len(X))
    assert_close(predictions(estimator, X[order]), predictions(estimator, X)[order])


def check_key_order_does_not_matter(estimator):
    """Modalities are identified by name, not by position."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    swapped = {name: X[name] for name in reversed(list(X))}
    np.testing.assert_array_equal(
        predictions(estimator, X), predictions(estimator, swapped)
    )


def check_inputs_are_equivalent(estimator):
    """A dict and an array of cells give the same result as a ModalityDict."""
    X, y = make_data(estimator)
    expected = predictions(clone(estimator).fit(X, y), X)
    for same in (dict(X), np.asarray(X)):
        got = predictions(clone(estimator).fit(same, y), same)
        np.testing.assert_array_equal(got, expected)


def check_absent_modality_is_named(estimator):
    """Leaving out a modality that was present in all of fit is an error."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    assert_raises(lambda: predictions(estimator, {"image": X["image"]}), "table")


def check_unknown_modality_is_named(estimator):
    """A misspelt name is an error that suggests the right spelling."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    wrong = {"image": X["image"], "tabel": X["table"]}
    assert_raises(lambda: predictions(estimator, wrong), "tabel", "table")


def check_other_shape_is_named(estimator):
    """Another shape than in fit is an error."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    other = X.assign(table=X["table"][:, :3])
    assert_raises(lambda: predictions(estimator, other), "table")


def check_not_finite_is_named(estimator):
    """NaN and infinity are errors that name the modality and the mask."""
    X, y = make_data(estimator)
    for value in (np.nan, np.inf):
        table = X["table"].copy()
        table[3, 1] = value
        bad = X.assign(table=table)
        assert_raises(lambda bad=bad: clone(estimator).fit(bad, y), "table", "present")


def check_masked_content_has_no_influence(estimator):
    """The values of missing samples change neither the fit nor the predictions."""
    X, y = make_data(estimator)
    rows = np.arange(len(X)) % 4 == 0
    a = X.with_missing("table", rows)
    table = X["table"].copy()
    table[rows] = np.nan
    b = X.assign(table=table).with_missing("table", rows)
    models = [clone(estimator).fit(data, y) for data in (a, b)]
    np.testing.assert_array_equal(predictions(models[0], a), predictions(models[1], b))
    assert np.isfinite(predictions(models[0], a)).all()


def check_missing_modality_can_be_predicted(estimator):
    """A model fitted with missing samples can predict without the modality."""
    X, y = make_data(estimator)
    estimator.fit(X.with_missing("table", slice(0, None, 3)), y)
    masked = predictions(estimator, X.with_missing("table"))
    np.testing.assert_array_equal(masked, predictions(estimator, {"image": X["image"]}))
    nothing = X.with_missing("table").with_missing("image")
    assert np.isfinite(predictions(estimator, nothing)).all()


def check_new_modality_leaves_other_starts(estimator):
    """Adding a modality does not change the initial weights of other encoders."""
    if not hasattr(estimator, "prepare"):
        return
    X, y = make_data(estimator)
    both = clone(estimator).prepare(X, y).module.encoders["table"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "there is only one modality"
        alone = only_table(estimator).prepare(X.select(["table"]), y)
    assert same_weights(both, alone.module.encoders["table"])


def check_modalities_parameter(estimator):
    """``modalities=`` gives the same model as an X with only these modalities."""
    X, y = make_data(estimator)
    part = clone(estimator).set_params(modalities=["table"])
    table = X.select(["table"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "there is only one modality"
        expected = predictions(only_table(estimator).fit(table, y), table)
    np.testing.assert_array_equal(predictions(part.fit(X, y), X), expected)
    wrong = clone(estimator).set_params(modalities=["tabel"])
    assert_raises(lambda: wrong.fit(X, y), "tabel", "table")


def check_pickled_equals_original(estimator):
    """A pickled model gives the same predictions."""
    X, y = make_data(estimator)
    estimator.fit(X, y)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(predictions(again, X), predictions(estimator, X))


def check_labels_of_any_type(estimator):
    """Predicted labels have the type and values of y."""
    if not is_classifier(estimator):
        return
    X, y = make_data(estimator)
    yes = y == "yes"
    for labels in (yes, yes.astype(int) * 7 - 3, np.where(yes, "ü", "b"), yes * 1.0):
        predicted = clone(estimator).fit(X, labels).predict(X)
        assert predicted.dtype == np.asarray(labels).dtype
        assert set(predicted) <= set(labels)


def check_tiny_data(estimator):
    """Four samples are enough to fit and one is enough to predict."""
    X, y = make_data(estimator, n_rows=4)
    with warnings.catch_warnings():  # that modalities are not used is a warning
        warnings.filterwarnings("ignore", UNSEEN, UserWarning)
        estimator.fit(X, y)
    assert predictions(estimator, X[:1]).shape[0] == 1


def check_one_class_is_an_error(estimator):
    """A y with one class is an error."""
    if is_classifier(estimator):
        X, y = make_data(estimator)
        assert_raises(lambda: estimator.fit(X, np.full(len(y), "yes")), "class")


def check_rows_must_agree(estimator):
    """Inconsistent numbers of samples are an error."""
    X, y = make_data(estimator)
    if get_tags(estimator).target_tags.required:
        assert_raises(lambda: estimator.fit(X, y[:-1]), "48", "47")
    ragged = {"image": X["image"], "table": X["table"][:-1]}
    assert_raises(lambda: estimator.fit(ragged, y), "image", "table", "48", "47")


def check_constant_column(estimator):
    """A constant column and a constant modality do not lead to NaN."""
    X, y = make_data(estimator)
    table = X["table"].copy()
    table[:, 1] = 3.0
    X = X.assign(table=table, image=np.zeros_like(X["image"]))
    assert np.isfinite(predictions(estimator.fit(X, y), X)).all()


def check_arguments_are_unchanged(estimator):
    """``fit`` and ``predict`` change neither data nor parameters."""
    X, y = make_data(estimator)
    X = X.with_missing("table", [0, 1])
    copies, before = (X.copy(), y.copy()), deepcopy(estimator.get_params())
    predictions(estimator.fit(X, y), X)
    assert X == copies[0]
    np.testing.assert_array_equal(y, copies[1])
    assert estimator.get_params().keys() == before.keys()
    assert repr(clone(estimator)) == repr(clone(estimator).set_params(**before))


def check_parallel_equals_serial(estimator):
    """Cross-validation in worker processes gives the same scores."""
    if not hasattr(estimator, "score"):
        return
    X, y = make_data(estimator)
    X = X.with_missing("image", [5])
    with one_thread():
        serial, parallel = (
            cross_val_score(estimator, X, y, cv=2, n_jobs=n_jobs, error_score="raise")
            for n_jobs in (1, 2)
        )
    np.testing.assert_allclose(parallel, serial, rtol=1e-6)


def check_global_state_is_untouched(estimator):
    """Fitting changes neither global random generators nor the number of threads."""
    import torch

    X, y = make_data(estimator)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    threads = torch.get_num_threads()
    predictions(estimator.fit(X, y), X)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
    assert threads == torch.get_num_threads()


CHECKS = [
    check
    for name, check in list(globals().items())
    if name.startswith("check_") and check.__module__ == __name__
]


def multimodal_checks(estimator):
    """Yield all multimodal checks.

    Parameters
    ----------
    estimator : estimator

    Yields
    ------
    estimator : estimator
    check : callable
        ``check(estimator)`` raises an AssertionError if the check fails.
    """
    for check in CHECKS:
        yield estimator, check


def check_multimodal_estimator(estimator):
    """Run all multimodal checks on an estimator.

    Parameters
    ----------
    estimator : estimator
        With a fixed `random_state`, and quick to fit.

    Raises
    ------
    AssertionError
        At the first check that fails.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.utils.estimator_checks import check_multimodal_estimator
    >>> check_multimodal_estimator(FusionClassifier(max_epochs=2, random_state=0))
    """
    for estimator, check in multimodal_checks(estimator):
        check(clone(estimator))


def parametrize_with_checks(estimators):
    """Decorate a pytest function to run each check on each estimator as a test.

    Parameters
    ----------
    estimators : list of estimators
        With a fixed `random_state`, and quick to fit.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.utils.estimator_checks import parametrize_with_checks
    >>> @parametrize_with_checks([FusionClassifier(max_epochs=2, random_state=0)])
    ... def test_multimodal(estimator, check):
    ...     check(estimator)
    """
    import pytest

    pairs = [pair for estimator in estimators for pair in multimodal_checks(estimator)]
    return pytest.mark.parametrize(
        "estimator, check",
        [
            pytest.param(clone(estimator), check, id=f"{estimator}-{check.__name__}")
            for estimator, check in pairs
        ],
    )
