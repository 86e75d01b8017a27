import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import clone
from sklearn.exceptions import NotFittedError

from skmm import ModalityDict
from skmm.preprocessing import ModalityTransformer, SpectrumBinner


def spectrum(positions, intensities=1.0):
    positions = np.asarray(positions, dtype=float)
    return np.column_stack([positions, np.broadcast_to(intensities, positions.shape)])


def random_spectra(rng, n=5):
    return [
        spectrum(np.sort(rng.uniform(0, 100, k)), rng.normal(size=k))
        for k in rng.integers(1, 60, n)
    ]


def slow(binner, spectra):
    """The same by loops over windows."""
    low, high = binner.bounds_
    n_bins = len(binner.bin_edges_) - 1
    out = np.full((len(spectra), n_bins), float(binner.fill_value))
    for i, points in enumerate(spectra):
        for b in range(n_bins):
            left, right = binner.bin_edges_[b], binner.bin_edges_[b + 1]
            x, last = points[:, 0], b == n_bins - 1
            chosen = (x >= left) & (x < right) | (last & (x == high))
            chosen &= (x >= low) & (x <= high)
            if chosen.any():
                values = points[chosen, 1]
                out[i, b] = (
                    values.mean() if binner.aggregate == "mean" else values.sum()
                )
    return out


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.floats(0.5, 200),
    aggregate=st.sampled_from(["mean", "sum"]),
)
def test_equals_a_loop_over_windows(seed, width, aggregate):
    rng = np.random.default_rng(seed)
    train, test = random_spectra(rng), random_spectra(rng)
    binner = SpectrumBinner(width, aggregate=aggregate, fill_value=-1).fit(train)
    low, high = binner.bounds_
    test = [t for t in test if ((t[:, 0] >= low) & (t[:, 0] <= high)).any()]
    np.testing.assert_allclose(binner.transform(train), slow(binner, train), atol=1e-12)
    if test:
        np.testing.assert_allclose(
            binner.transform(test), slow(binner, test), atol=1e-12
        )


@pytest.mark.parametrize(
    ("low", "high", "width", "bins"),
    [
        (0, 3320, 10, 332),
        (0, 3321, 10, 333),
        (100, 100, 10, 1),
        (0, 3, 10, 1),
        (0, 0.1 * 3, 0.1, 3),  # 0.1 * 3 / 0.1 is a little more than 3
        (-25, 25, 5, 10),
    ],
)
def test_number_of_bins(low, high, width, bins):
    X = [spectrum([low, high])]
    binner = SpectrumBinner(width).fit(X)
    assert binner.transform(X).shape == (1, bins)
    assert binner.bounds_ == (low, high)
    assert len(binner.bin_edges_) == bins + 1
    np.testing.assert_allclose(np.diff(binner.bin_edges_), width)
    assert binner.get_feature_names_out().tolist() == [f"bin{i}" for i in range(bins)]


def test_a_constant_spectrum_is_a_constant_vector():
    X = [spectrum(np.arange(0, 1000, 3.0), 2.5)]
    assert set(SpectrumBinner().fit_transform(X).ravel()) == {2.5}


def test_density_leaves_the_mean_and_doubles_the_sum():
    once = spectrum(np.arange(0, 100, 1.0), np.sin(np.arange(100)))
    twice = np.repeat(once, 2, axis=0)
    for aggregate, factor in (("mean", 1), ("sum", 2)):
        binner = SpectrumBinner(aggregate=aggregate).fit([once])
        a, b = binner.transform([once, twice])
        np.testing.assert_allclose(b, factor * a)


def test_a_point_at_a_border_is_in_the_right_window_and_at_hi_in_the_last():
    binner = SpectrumBinner(aggregate="sum").fit([spectrum([0, 30])])
    out = binner.transform([spectrum([0, 10, 20, 30], [1, 2, 4, 8])])
    assert out.tolist() == [[1, 2, 12]]


def test_points_out_of_range_are_dropped():
    train = [spectrum([0, 25], 1.0)]
    binner = SpectrumBinner(aggregate="sum").fit(train)
    assert binner.bin_edges_[-1] == 30
    inside = spectrum([0, 5, 12], 3.0)
    far = np.vstack([[-500, 99], inside, [27, 99], [9000, 99]])
    a, b = binner.transform([inside, far])
    np.testing.assert_array_equal(a, b)


def test_bounds_are_those_of_all_training_spectra():
    binner = SpectrumBinner().fit([spectrum([5, 9]), spectrum([-3, 7, 60])])
    assert binner.bounds_ == (-3, 60)


def test_empty_windows_are_filled():
    X = [spectrum([0, 30], 7.0)]
    assert SpectrumBinner().fit_transform(X).tolist() == [[7, 0, 7]]
    out = SpectrumBinner(fill_value=np.nan).fit_transform(X)
    np.testing.assert_array_equal(out, [[7, np.nan, 7]])


def test_rows_do_not_see_each_other():
    X = random_spectra(np.random.default_rng(1), 12)
    binner = SpectrumBinner().fit(X)
    out = binner.transform(X)
    order = [3, 0, 11]
    np.testing.assert_array_equal(binner.transform([X[i] for i in order]), out[order])


# -- forms of X --------------------------------------------------------------------


def test_forms_agree():
    equal = [spectrum([0, 11, 25], [1, 2, 3]), spectrum([0, 2, 19], [4, 5, 6])]
    expected = SpectrumBinner().fit_transform(equal)
    for form in (np.stack(equal), tuple(equal), [row.tolist() for row in equal]):
        np.testing.assert_array_equal(SpectrumBinner().fit_transform(form), expected)


@pytest.mark.parametrize("lengths", [(4, 9, 2), (5, 5, 5)], ids=["ragged", "equal"])
def test_as_a_modality(lengths):
    rng = np.random.default_rng(0)
    X = [spectrum(np.sort(rng.uniform(0, 50, k)), rng.normal(size=k)) for k in lengths]
    data = ModalityDict(raman=X)
    out = ModalityTransformer({"raman": SpectrumBinner()}).fit_transform(data)
    np.testing.assert_array_equal(out["raman"], SpectrumBinner().fit_transform(X))


def test_missing_spectra_are_skipped():
    empty = np.zeros((0, 2))
    X = ModalityDict(
        raman=[spectrum([0, 5]), empty, spectrum([3, 20, 21])],
        present={"raman": [True, False, True]},
    )
    out = ModalityTransformer({"raman": SpectrumBinner()}).fit_transform(X)
    assert out["raman"].shape == (3, 3) and not out["raman"][1].any()


def test_input_is_not_changed():
    X = random_spectra(np.random.default_rng(0))
    before = [row.copy() for row in X]
    SpectrumBinner().fit_transform(X)
    assert all((a == b).all() for a, b in zip(X, before, strict=True))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([[3, 1], [2, 1]], r"row 1 has decreasing positions \(3, then 2\); sort"),
        ([[1, 1], [np.nan, 1]], "row 1 has a position of nan"),
        ([[1, 1], [2, np.inf]], "row 1 has an intensity of inf"),
        (np.zeros((2, 9)), r"row 1 has shape \(2, 9\).*column_stack"),
        ((np.arange(3), np.arange(3)), r"row 1 has shape \(2, 3\).*column_stack"),
        (np.zeros((4, 3)), r"row 1 has shape \(4, 3\); expected one array"),
        (np.zeros(4), r"row 1 has shape \(4,\)"),
        (np.zeros((0, 2)), "row 1 is a spectrum without points"),
        ("text", r"row 1 is not a numeric table \(str\)"),
        (None, r"row 1 has shape \(\)"),
        ([[1, 2], [3]], r"row 1 is not a numeric table \(list\)"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_bad_rows_are_named(method, row, message):
    good = spectrum([0, 10])
    binner = SpectrumBinner().fit([good])
    with pytest.raises(ValueError, match=message):
        getattr(binner, method)([good, row, good])


def test_equal_positions_are_allowed_and_a_new_row_may_start_lower():
    X = [spectrum([5, 5, 9]), spectrum([0, 1])]
    assert SpectrumBinner().fit_transform(X).shape == (2, 1)


def test_a_spectrum_wholly_outside_is_rejected():
    binner = SpectrumBinner().fit([spectrum([100, 200])])
    X = [spectrum([150, 300]), spectrum([1, 50, 99.9])]
    with pytest.raises(
        ValueError, match=r"row 1 has no point in the range.*1 to 99\.9.*100 to 200"
    ):
        binner.transform(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "0 sample"),
        (np.zeros((4, 2)), ValueError, r"X has shape \(4, 2\); expected one array"),
        (ModalityDict(a=[1.0]), TypeError, r"not one column of spectra"),
    ],
)
def test_wrong_containers(X, error, message):
    with pytest.raises(error, match=message):
        SpectrumBinner().fit(X)


@pytest.mark.parametrize(
    ("name", "value"), [("width", 0), ("aggregate", "max"), ("fill_value", None)]
)
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of SpectrumBinner"):
        SpectrumBinner().set_params(**{name: value}).fit([spectrum([0, 1])])


def test_not_fitted():
    with pytest.raises(NotFittedError):
        SpectrumBinner().transform([spectrum([0, 1])])


def test_copies():
    X = random_spectra(np.random.default_rng(0))
    binner = SpectrumBinner(7.0).fit(X)
    other = pickle.loads(pickle.dumps(binner))
    np.testing.assert_array_equal(other.transform(X), binner.transform(X))
    assert not hasattr(clone(binner), "bounds_")


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    points = spectrum(np.arange(50.0), np.arange(50) % 7)
    binner = SpectrumBinner().fit([points])
    figure, ax = plt.subplots()
    assert binner.plot(points, ax) is figure
    np.testing.assert_array_equal(
        ax.patches[0].get_data().values, binner.transform([points])[0]
    )
    assert binner.plot(points) is not figure
    plt.close("all")


@pytest.mark.parametrize("step", [0.1, 0.3, 0.7, 1e-3, 7.0])
def test_a_regular_grid_has_one_point_in_every_window(step):
    """Edges such as 3 * 0.1 are a little off; the points must not fall beside them."""
    position = step * np.arange(11)
    spectrum = np.column_stack([position, np.arange(11.0)])
    binned = SpectrumBinner(step).fit_transform([spectrum])
    np.testing.assert_allclose(binned[0], [*range(9), 9.5])
