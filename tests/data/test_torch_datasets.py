"""Map-style datasets of PyTorch as X."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import skmm
from skmm.data.torch_datasets import read_dataset

N = 24
rng = np.random.default_rng(0)
X = {
    "image": rng.integers(0, 255, (N, 1, 6, 6), dtype=np.uint8),
    "table": rng.normal(size=(N, 3)).astype(np.float32),
}
y = (X["table"][:, 0] > 0).astype(int)
FAST = {"max_epochs": 2, "random_state": 0}


class Samples(Dataset):
    """Samples as pairs of a dict and a label."""

    def __init__(self, X, y=None):
        self.X, self.y = X, y

    def __len__(self):
        return len(next(iter(self.X.values())))

    def __getitem__(self, i):
        parts = {name: values[i] for name, values in self.X.items()}
        parts["table"] = torch.from_numpy(parts["table"])
        return parts if self.y is None else (parts, self.y[i])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


MODELS = [
    skmm.CoordinatedEncoder(**FAST),
    skmm.DynamicFusionClassifier(**FAST),
    skmm.EncoderDecoderReconstructor(**FAST),
    skmm.FusionClassifier(**FAST),
    skmm.FusionRegressor(**FAST),
    skmm.LateFusionClassifier(skmm.FusionClassifier(**FAST)),
    skmm.LateFusionRegressor(skmm.FusionRegressor(**FAST)),
    skmm.MulMixClassifier(**FAST),
    skmm.NoHarmFusionClassifier(cv=2, **FAST),
    skmm.NoHarmFusionRegressor(cv=2, **FAST),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.filterwarnings("ignore:the validation set is not stratified")
def test_a_dataset_is_as_its_arrays(model):
    supervised = model.__sklearn_tags__().target_tags.required
    method = "predict" if hasattr(model, "predict") else "cross_correlation"
    expected = model.fit(X, y if supervised else None)
    outputs = getattr(expected, method)(X)
    score = expected.score(X, y) if supervised else None
    data = Samples(X, y)
    model.fit(data)
    np.testing.assert_array_equal(getattr(model, method)(data), outputs)
    np.testing.assert_array_equal(getattr(model, method)(Samples(X)), outputs)
    if supervised:
        assert model.score(data) == model.score(data, y) == score


def test_leaves_keep_the_dtype_of_the_samples():
    found, target = read_dataset(Samples(X, y))
    assert {n: v.dtype for n, v in found.items()} == {n: v.dtype for n, v in X.items()}
    assert all(np.array_equal(found[name], X[name]) for name in X)
    np.testing.assert_array_equal(target, y)


def test_partial_fit_subsets_and_cross_validation():
    data = Samples(X, y)
    model = skmm.FusionClassifier(**FAST)
    part = [5, 2, 9, 1, 0, 3, 4]
    model.partial_fit(Subset(data, part), classes=[0, 1])
    other = skmm.FusionClassifier(**FAST)
    other.partial_fit({n: v[part] for n, v in X.items()}, y[part], classes=[0, 1])
    np.testing.assert_array_equal(model.predict_proba(data), other.predict_proba(X))
    arrays = skmm.ModalityDict(X)
    scores = [cross_val_score(other, x, y, cv=2) for x in (data, arrays)]
    np.testing.assert_array_equal(*scores)


def test_text_numbers_and_missing_texts():
    samples = [({"text": "ab", "age": 3}, "x"), ({"text": "", "age": 1.5}, "y")]
    found, target = read_dataset(samples)
    assert found["text"].tolist() == ["ab", ""]
    assert found["age"].tolist() == [3.0, 1.5]
    assert target.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    "data, error, match",
    [
        (Stream(), TypeError, "Stream, can only be iterated.*partial_fit"),
        ((i for i in range(3)), TypeError, "generator, can only be iterated"),
        (DataLoader(Samples(X, y)), TypeError, r"DataLoader.*X\.dataset.*batch_size"),
        (
            TensorDataset(torch.zeros(4, 3), torch.zeros(4)),
            TypeError,
            r"sample 0 of the dataset is a tuple of \(Tensor, Tensor\)",
        ),
        (Subset(Samples(X, y), []), ValueError, "0 sample"),
        ([({"a": 1.0}, 0), ({"b": 1.0}, 1)], ValueError, r"sample 1 .*\['b'\]; samp"),
        ([{"a": 1.0}, {"b": 1.0}], ValueError, r"sample 1 .*\['b'\], but sample 0"),
        (
            [({"a": np.zeros(3)}, 0), ({"a": np.zeros(2)}, 1)],
            ValueError,
            r"modality 'a' has shape \(2,\) in sample 1",
        ),
    ],
)
@pytest.mark.parametrize("make", [skmm.FusionClassifier, skmm.NoHarmFusionRegressor])
def test_what_cannot_be_read_is_named(make, data, error, match):
    with pytest.raises(error, match=match):
        make(max_epochs=1).fit(data, y)
    with pytest.raises((TypeError, ValueError)):
        make(max_epochs=1).fit(data)


def test_a_dataset_without_a_target_needs_y():
    with pytest.raises(ValueError, match="requires y"):
        skmm.FusionClassifier().fit(Samples(X))
    with pytest.raises(ValueError, match="sample 1 of the dataset has no target"):
        read_dataset([({"a": 1}, 0), ({"a": 1}, None)])
