"""Targets of any shape: what a net is trained on, and back."""

import numpy as np
import pytest
import torch

from skmm import ModalityDict
from skmm.targets.arrays import ROWS, ArrayTarget

RNG = np.random.default_rng(0)
TABLE = RNG.normal(50, [1, 3, 9], (40, 3))
IMAGES = RNG.random((40, 2, 3), dtype=np.float32)


def test_a_table_is_centred_and_scaled_by_one_number():
    target = ArrayTarget.learn(TABLE)
    encoded = target.encode(target.read(TABLE)).double().numpy()
    np.testing.assert_allclose(encoded.mean(0), 0, atol=1e-5)
    assert (encoded**2).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        encoded.std(0) / encoded.std(0)[0], TABLE.std(0) / TABLE.std(0)[0], rtol=1e-5
    )


def test_weights_are_repeated_rows():
    weight = RNG.integers(0, 4, 40)
    a = ArrayTarget.learn(TABLE, weight.astype(float))
    b = ArrayTarget.learn(TABLE.repeat(weight, axis=0))
    np.testing.assert_allclose(a.means["y"], b.means["y"])
    assert a.scales["y"] == pytest.approx(b.scales["y"])


def test_moments_of_many_rows_are_those_of_all():
    y = RNG.normal(3, 2, (2 * ROWS + 5, 2))
    target = ArrayTarget.learn(y)
    np.testing.assert_allclose(target.means["y"], y.mean(0))
    assert target.scales["y"] == pytest.approx((y - y.mean(0)).std())


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_extreme_values_do_not_overflow(size):
    target = ArrayTarget.learn(TABLE * size)
    assert torch.isfinite(target.encode(target.read(TABLE * size))).all()


def test_values_in_range_are_not_copied():
    target = ArrayTarget.learn(IMAGES)
    assert np.shares_memory(target.encode(target.read(IMAGES)).numpy(), IMAGES)
    locked = IMAGES.copy()
    locked.flags.writeable = False
    assert not np.shares_memory(target.encode(target.read(locked)).numpy(), locked)


@pytest.mark.parametrize("y", [TABLE, TABLE[:, 0], IMAGES * 3, np.ones((4, 2)) * 7])
def test_decode_undoes_encode(y):
    target = ArrayTarget.learn(y)
    again = target.decode(target.encode(target.read(y)))
    assert again.dtype == y.dtype
    np.testing.assert_allclose(again, y, rtol=1e-5)


def test_several_targets_are_encoded_by_name():
    y = ModalityDict(image=IMAGES, table=TABLE)
    target = ArrayTarget.learn(y)
    assert target.n_outputs == 9
    outputs = target.encode(target.read(y))
    assert {name: part.shape for name, part in outputs.items()} == {
        "image": (40, 6),
        "table": (40, 3),
    }
    outputs["image"] = torch.logit(outputs["image"])  # the sigmoid is behind the net
    again = target.decode(outputs)
    np.testing.assert_allclose(again["image"], IMAGES, rtol=1e-3)
    np.testing.assert_allclose(again["table"], TABLE, rtol=1e-5)


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_lists_and_tensors_are_arrays(kind):
    a, b = ArrayTarget.learn(kind(IMAGES)), ArrayTarget.learn(IMAGES)
    assert a.shapes == b.shapes
    np.testing.assert_array_equal(a.read(kind(IMAGES)), b.read(IMAGES))


def test_another_shape_raises():
    target = ArrayTarget.learn(IMAGES)
    with pytest.raises(ValueError, match=r"\(2, 3\), like .* got shape \(3, 2\)"):
        target.read(IMAGES.swapaxes(1, 2))
    with pytest.raises(ValueError, match="first fit"):
        target.read(ModalityDict(y=IMAGES))
