import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmm import ModalityDict
from skmm.preprocessing import (
    DropCorruption,
    GaussianCorruption,
    ModalityTransformer,
    NoiseModality,
    StructuredDropCorruption,
    SwapCorruption,
)

ALL = [
    NoiseModality(random_state=0),
    GaussianCorruption(0.5, random_state=0),
    DropCorruption(0.5, random_state=0),
    SwapCorruption(0.5, random_state=0),
    StructuredDropCorruption(0.5, random_state=0),
]
every = pytest.mark.parametrize("corruption", ALL, ids=lambda c: type(c).__name__)
UNDAMAGED = [
    GaussianCorruption(0.0),
    DropCorruption(0.0),
    SwapCorruption(0.0),
    StructuredDropCorruption(0.0),
]
ROWS = "the noise depends on all of X, so that it tells nothing about a row"
DECLARED = {
    "check_methods_sample_order_invariance": ROWS,
    "check_methods_subset_invariance": ROWS,
}


@parametrize_with_checks(ALL, expected_failed_checks=lambda corruption: DECLARED)
def test_sklearn_contract(estimator, check):
    check(estimator)


def table(n=50, columns=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, columns))


# -- seeds -------------------------------------------------------------------------


@every
def test_the_same_call_gives_the_same_and_another_x_another_draw(corruption):
    train, test = table(seed=1), table(seed=2)
    fitted = clone(corruption).fit(train)
    first = fitted.transform(train)
    moved = fitted.transform(test)
    np.testing.assert_array_equal(fitted.transform(train), first)
    np.testing.assert_array_equal(clone(corruption).fit_transform(train), first)
    np.testing.assert_array_equal(clone(corruption).fit(test).transform(test), moved)
    other = clone(corruption).set_params(random_state=1).fit_transform(train)
    assert (other != first).any()


def test_train_and_test_get_independent_noise():
    X = table(4000, 2)
    fitted = NoiseModality(random_state=0).fit(X[:2000])
    a, b = fitted.transform(X[:2000]), fitted.transform(X[2000:])
    assert abs(np.corrcoef(a[:, 0], b[:, 0])[0, 1]) < 0.08
    for row in (0, 1999):  # one value differs
        nearly = X[:2000].copy()
        nearly[row, 1] += 1e-9
        noise = fitted.transform(nearly)
        assert abs(np.corrcoef(a[:, 0], noise[:, 0])[0, 1]) < 0.08
    assert not np.isin(a, b).any()


def test_without_a_seed_a_fitted_object_still_repeats_itself():
    X = table()
    one, two = NoiseModality().fit(X), NoiseModality().fit(X)
    np.testing.assert_array_equal(one.transform(X), one.transform(X))
    assert (one.transform(X) != two.transform(X)).all()


@every
def test_copies_and_layouts_do_the_same(corruption):
    X = table()
    fitted = clone(corruption).fit(X)
    expected = fitted.transform(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), expected)
    np.testing.assert_array_equal(fitted.transform(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(fitted.transform(X.tolist()), expected)


@every
def test_the_global_generator_is_left_alone(corruption):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    clone(corruption).fit_transform(table())
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# -- what all do -------------------------------------------------------------------


@every
@pytest.mark.parametrize("shape", [(7, 4), (7, 2, 5), (7, 1, 4, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_shape_dtype_and_input(corruption, shape, dtype):
    if isinstance(corruption, SwapCorruption):
        shape = shape[:2]  # for tables only
    X = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    before = X.copy()
    out = clone(corruption).fit_transform(X)
    assert out.shape == shape
    assert out.dtype == ("float32" if dtype == "float32" else "float64")
    np.testing.assert_array_equal(X, before)
    out[:] = 99
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("corruption", UNDAMAGED, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strength_zero_is_the_identity_but_no_view(corruption, dtype):
    X = table().astype(dtype)
    out = corruption.fit_transform(X)
    np.testing.assert_array_equal(out, X)
    assert not np.shares_memory(out, X)


@every
def test_in_a_modality_transformer_with_names(corruption):
    X = ModalityDict(a=pd.DataFrame(table(8, 3), columns=list("uvw")), b=table(8, 2))
    out = ModalityTransformer({"a": corruption}).fit(X)
    np.testing.assert_array_equal(out.transform(X)["b"], X["b"])
    assert out.transform(X)["a"].shape == (8, 3)
    assert out.get_feature_names_out()[:3].tolist() == ["a__u", "a__v", "a__w"]


@every
def test_bad_input(corruption):
    corruption = clone(corruption)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        corruption.fit(np.zeros(4))
    with pytest.raises(ValueError, match="could not convert string to float"):
        corruption.fit(np.array([["CCO"], ["C"]], dtype=object))
    with pytest.raises(ValueError, match="is expecting 6 features"):
        corruption.fit(table()).transform(table(columns=5))


# -- what each does ----------------------------------------------------------------


def test_noise_is_standard_normal_and_knows_nothing_of_x():
    X = np.repeat([[0.0, 5.0], [np.nan, -3.0]], 4000, axis=0)
    noise = NoiseModality(random_state=0).fit_transform(X)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.01
    assert len(np.unique(noise)) == noise.size  # equal rows get different noise
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05
    halves = stats.ks_2samp(noise[:4000].ravel(), noise[4000:].ravel())
    assert halves.pvalue > 0.01


def test_gaussian_adds_noise_of_that_width_and_larger_sigma_scales_it():
    X = table(3000)
    small, large = (
        GaussianCorruption(s, random_state=0).fit_transform(X) - X for s in (0.1, 0.4)
    )
    np.testing.assert_allclose(large, 4 * small, atol=1e-12)
    assert stats.kstest(small.ravel() / 0.1, "norm").pvalue > 0.01


@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_drop_zeroes_that_share_and_leaves_the_rest(probability):
    X = table(3000) + 100
    out = DropCorruption(probability, random_state=0).fit_transform(X)
    dropped = out == 0
    np.testing.assert_array_equal(out[~dropped], X[~dropped])
    assert dropped.mean() == pytest.approx(probability, abs=0.02)
    more = DropCorruption(probability + 0.1, random_state=0).fit_transform(X) == 0
    assert more[dropped].all()
    assert not DropCorruption(1.0).fit_transform(X).any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), columns=st.integers(1, 9), probability=st.floats(0, 1)
)
def test_swap_keeps_the_values_of_a_row_and_moves_them_by_one(
    seed, columns, probability
):
    X = np.tile(np.arange(columns, dtype=float), (20, 1))
    X[:, 0] += 0.25 * (np.arange(20) % 2)
    swap = SwapCorruption(probability, random_state=seed)
    out = swap.fit_transform(X)
    np.testing.assert_array_equal(np.sort(out, axis=1), np.sort(X, axis=1))
    moved = np.floor(out) - np.arange(columns)
    assert set(np.unique(moved)) <= {-1.0, 0.0, 1.0}
    # what went right and what came left are neighbours
    np.testing.assert_array_equal(moved[:, :-1] == 1, moved[:, 1:] == -1)


def test_swap_share():
    X = np.tile(np.arange(10.0), (4000, 1))
    out = SwapCorruption(0.3, random_state=0).fit_transform(X)
    pairs = (out[:, :-1] > out[:, 1:]).mean(axis=0)
    np.testing.assert_allclose(pairs, 0.15, atol=0.03)  # half start at each column
    whole = SwapCorruption(1.0, random_state=0).fit_transform(X)
    odd = (whole[:, 0] == 0).mean()
    assert odd == pytest.approx(0.5, abs=0.05)


def test_swap_is_for_tables():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\); SwapCorruption"):
        SwapCorruption().fit(np.zeros((2, 3, 4)))


@pytest.mark.parametrize("time_axis", [-1, 1])
def test_structured_drop_takes_a_time_step_from_all_channels(time_axis):
    X = np.ones((500, 3, 20)) if time_axis == -1 else np.ones((500, 20, 3))
    drop = StructuredDropCorruption(0.3, time_axis, random_state=0)
    out = np.moveaxis(drop.fit_transform(X), time_axis, -1)  # n, channels, time
    np.testing.assert_array_equal(out, np.repeat(out[:, :1], 3, axis=1))
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert len(np.unique(out[:, 0], axis=0)) > 400  # rows differ


@pytest.mark.parametrize(
    "corruption",
    [
        GaussianCorruption(-0.1),
        DropCorruption(1.5),
        SwapCorruption(-1),
        StructuredDropCorruption(2),
        StructuredDropCorruption(time_axis=0),
        NoiseModality(random_state="x"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(corruption):
    name = r"'(sigma|probability|time_axis|random_state)' parameter of"
    with pytest.raises(ValueError, match=name + f" {type(corruption).__name__}"):
        corruption.fit(table())


@pytest.mark.parametrize("corruption", ALL[1:], ids=lambda c: type(c).__name__)
def test_nan_is_rejected_where_it_would_be_kept(corruption):
    with pytest.raises(ValueError, match="contains NaN"):
        clone(corruption).fit([[1.0, np.nan]])
