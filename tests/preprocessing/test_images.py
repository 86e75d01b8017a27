import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skmm import ModalityDict
from skmm.preprocessing import Downscale, ModalityTransformer, TopRows

RNG = np.random.default_rng(0)
BOTH = [TopRows(3), Downscale(2)]


def test_top_rows_are_the_top_rows():
    X = RNG.random((4, 28, 28))
    np.testing.assert_array_equal(TopRows(23).fit_transform(X), X[:, :23, :])
    X = RNG.integers(0, 255, (4, 3, 28, 20), dtype=np.uint8)
    out = TopRows(8).fit_transform(X)
    np.testing.assert_array_equal(out, X[:, :, :8, :])
    assert out.dtype == np.uint8
    assert TopRows().fit_transform(np.zeros((2, 7, 5))).shape == (2, 3, 5)


@settings(max_examples=40, deadline=None)
@given(
    factor=st.integers(1, 7),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_downscale_equals_torch(factor, height, width, dtype):
    shape = (2, 3, factor * height, factor * width)
    X = np.random.default_rng(factor).normal(size=shape).astype(dtype)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(X), (height, width), mode="bilinear", align_corners=False
    ).numpy()
    out = Downscale(factor).fit_transform(X)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    flat = Downscale(factor).fit_transform(X[:, 0])
    np.testing.assert_array_equal(flat, out[:, 0])


@pytest.mark.parametrize(("factor", "pixels"), [(2, 196), (4, 49), (7, 16)])
def test_widths_of_the_thesis(factor, pixels):
    X = np.full((3, 28, 28), 0.7)
    out = Downscale(factor).fit_transform(X)
    assert out[0].size == pixels
    np.testing.assert_allclose(out, 0.7, rtol=1e-15)  # constant stays constant
    assert TopRows(23).fit_transform(X)[0].size == 644


@pytest.mark.parametrize(
    ("given", "result"),
    [("uint8", "float32"), ("bool", "float32"), ("int64", "float64")],
)
def test_integers_become_floats_without_overflow(given, result):
    X = np.ones((2, 4, 4), dtype=given)
    if given == "uint8":
        X = X * np.uint8(200)
    out = Downscale(2).fit_transform(X)
    assert out.dtype == result
    np.testing.assert_array_equal(out, X[:, :2, :2])


@pytest.mark.parametrize("transformer", [*BOTH, Downscale(1), TopRows(4)], ids=repr)
def test_input_is_neither_changed_nor_shared(transformer):
    X = RNG.random((3, 1, 4, 4))
    before = X.copy()
    out = transformer.fit_transform(X)
    out[:] = -1
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("transformer", BOTH, ids=repr)
def test_rows_forms_and_copies(transformer):
    X = RNG.random((5, 2, 6, 8))
    transformer = clone(transformer).fit(X)
    out = transformer.transform(X)
    np.testing.assert_array_equal(transformer.transform(X[3:]), out[3:])
    np.testing.assert_array_equal(transformer.transform(X.tolist()), out)
    np.testing.assert_array_equal(transformer.transform(torch.from_numpy(X)), out)
    other = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(other.transform(X), out)
    assert transformer.shape_in_ == (2, 6, 8)
    assert get_tags(transformer).input_tags.three_d_array


def test_as_modalities():
    X = ModalityDict(a=RNG.random((4, 8, 8)), b=RNG.random((4, 1, 8, 8)))
    both = ModalityTransformer({"a": TopRows(5), "b": Downscale(4)})
    out = both.fit_transform(X)
    assert out["a"].shape == (4, 5, 8) and out["b"].shape == (4, 1, 2, 2)


SIZES = [np.zeros((28, 28)), np.zeros((28, 28)), np.zeros((27, 28))]


@pytest.mark.parametrize("transformer", BOTH, ids=repr)
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (SIZES, r"row 0 has shape \(28, 28\), but row 2 has \(27, 28\); expected"),
        (ModalityDict(a=SIZES)["a"], r"row 2 has \(27, 28\); expected images of shape"),
        (np.zeros((5, 28, 20, 3)), r"\(5, 28, 20, 3\), which looks like.*transpose\(0"),
        (np.zeros((5, 784)), r"X has shape \(5, 784\); expected images"),
        (np.zeros((2, 2, 2, 2, 2)), r"X has shape \(2, 2, 2, 2, 2\)"),
        (np.zeros((0, 4, 4)), "0 sample"),
        (np.full((2, 4, 4), "a"), "images have dtype <U1; expected real numbers"),
        (np.full((2, 4, 4), None), "X holds objects of type ndarray"),
    ],
)
def test_what_is_no_image(transformer, X, message):
    with pytest.raises(ValueError, match=message):
        clone(transformer).fit(X)


@pytest.mark.parametrize("shape", [(2, 64, 4, 4), (2, 3, 4, 4), (2, 5, 5)])
def test_small_feature_maps_are_not_taken_for_channels_last(shape):
    assert TopRows(1).fit_transform(np.zeros(shape)).shape[-2] == 1


@pytest.mark.parametrize("transformer", BOTH, ids=repr)
def test_transform_checks_the_shape(transformer):
    fitted = clone(transformer).fit(np.zeros((2, 1, 8, 8)))
    with pytest.raises(
        ValueError, match=r"\(1, 8, 6\), but those in fit had shape \(1, 8, 8\)"
    ):
        fitted.transform(np.zeros((2, 1, 8, 6)))
    with pytest.raises(NotFittedError):
        clone(transformer).transform(np.zeros((2, 1, 8, 8)))


def test_parameters_that_do_not_suit_the_images():
    X = np.zeros((2, 12, 18))
    with pytest.raises(ValueError, match=r"12 x 18 .*possible factors: \[1, 2, 3, 6\]"):
        Downscale(4).fit(X)
    with pytest.raises(ValueError, match=r"n_rows=13 .*12 x 18.*between 1 and 12"):
        TopRows(13).fit(X)
    with pytest.raises(ValueError, match="n_rows=None"):
        TopRows().fit(X[:, :1])
    for transformer, name in ((TopRows(0), "n_rows"), (Downscale(0.5), "factor")):
        with pytest.raises(ValueError, match=f"'{name}' parameter of"):
            transformer.fit(X)
