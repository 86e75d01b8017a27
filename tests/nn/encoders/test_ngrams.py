import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

import skmm
from skmm.model_selection import fit_replicas
from skmm.nn import HashedNGramEncoder, LSTMEncoder, SequenceTokens
from skmm.nn.composite.stack import can_stack

TEXTS = ["good", "so good", "bad", "too bad", "", "good good"]
FAST = {"max_epochs": 2, "random_state": 0}


def test_the_result_is_a_layer_on_the_pooled_embeddings():
    grams = {"g": 1, "go": 2, "d": 1, "bad": 3, " ": 1}
    for pooling, scale in (("mean", len(grams)), ("sum", 1)):
        encoder = HashedNGramEncoder(4, n_buckets=2**20, pooling=pooling).build(())
        tokens = [_hash(encoder, gram, size) for gram, size in grams.items()]
        table = encoder.table.weight.T
        expected = encoder.layers(table[[t - 1 for t in tokens]].sum(0) / scale)
        torch.testing.assert_close(encoder(torch.tensor([tokens]))[0], expected)


def _hash(encoder, gram, size):
    return int(clone_of(encoder, ngram_range=(size, size)).tokenize([gram])[0][0]) + 1


def clone_of(encoder, **params):
    return HashedNGramEncoder(**{**encoder.get_params(), **params})


@pytest.mark.parametrize("analyzer", ["char", "char_wb", "word"])
def test_the_n_grams_are_those_of_scikit_learn(analyzer):
    words = {"token_pattern": r"(?u)\b\w+\b"} if analyzer == "word" else {}
    count = CountVectorizer(
        analyzer=analyzer, ngram_range=(1, 2), lowercase=False, **words
    )
    counts = count.fit_transform(TEXTS).toarray()
    encoder = HashedNGramEncoder(n_buckets=2**20, analyzer=analyzer, ngram_range=(1, 2))
    tokens, lengths = encoder.tokenize(TEXTS)
    assert lengths.tolist() == counts.sum(1).tolist()
    for part, row in zip(np.split(tokens, lengths.cumsum()[:-1]), counts, strict=True):
        assert sorted(np.unique(part, return_counts=True)[1]) == sorted(row[row > 0])
    again = encoder.tokenize(TEXTS[::-1])[0]
    assert sorted(again) == sorted(tokens)


def test_padding_and_order_have_no_influence():
    encoder = HashedNGramEncoder(4).build(())
    rows = torch.tensor([[5, 9, 9, 0], [9, 5, 9, 0]])
    found = encoder(rows)
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(encoder(rows[:, :3]), found)


def test_case_and_length():
    encoder = HashedNGramEncoder(lowercase=True)
    assert np.array_equal(encoder.tokenize(["CO"])[0], encoder.tokenize(["co"])[0])
    encoder = HashedNGramEncoder()
    assert not np.array_equal(encoder.tokenize(["CO"])[0], encoder.tokenize(["co"])[0])


def test_saved_cloned_and_searched(tmp_path):
    X, y = {"text": TEXTS * 4, "n": np.arange(24.0)}, np.array([1, 1, 0, 0, 0, 1] * 4)
    encoder = HashedNGramEncoder(8, n_buckets=300, analyzer="word", ngram_range=(1, 2))
    model = skmm.FusionClassifier({"text": encoder}, **FAST)
    model = clone(model).fit(X, y)
    model.save(tmp_path / "model")
    loaded = skmm.load(tmp_path / "model")
    assert loaded.get_params()["encoders__text__n_buckets"] == 300
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert "encoders__text__n_buckets" in model.default_search_space()


def test_invalid_unicode_names_the_modality():
    with pytest.raises(ValueError, match="'text' has invalid Unicode in row 1"):
        skmm.FusionClassifier(**FAST).fit({"text": ["a", "caf\udce9"]}, [0, 1])


@pytest.mark.parametrize("ngram_range", [(0, 2), (3, 2), (1,)])
def test_bad_ranges(ngram_range):
    with pytest.raises(ValueError, match="ngram_range must be"):
        HashedNGramEncoder(ngram_range=ngram_range).build(())


def test_numbers_are_refused():
    with pytest.raises(ValueError, match="HashedNGramEncoder expects text"):
        HashedNGramEncoder().build((3,))


@pytest.mark.parametrize(
    "encoder", [LSTMEncoder(4), SequenceTokens(4), HashedNGramEncoder(4)]
)
def test_texts_are_cut_before_they_are_stored(encoder):
    """A million characters in one of a thousand texts would take 8 GB."""
    texts = ["ab", "c" * 10**6, *["def"] * 1000]
    fusion = "concat" if not encoder.gives_tokens else "self_attention"
    y = np.arange(len(texts)) % 2
    encoder.set_params(max_length=20)
    model = skmm.FusionClassifier({"t": encoder}, fusion=fusion, max_epochs=1)
    rows = model.prepare({"t": texts}, y).train[0].x["t"]
    assert rows.shape[1] <= 60
    encoder.set_params(max_length=None)
    with pytest.warns(
        UserWarning, match=r"'t' has 1 text.*the first in row 1, of 1,00"
    ):
        rows = model.prepare({"t": texts[:2]}, y[:2]).train[0].x["t"]
    assert rows.shape[1] <= 3 * 2**14


def test_replicas_of_texts_of_other_lengths_train_as_alone():
    X, y = {"text": [*TEXTS * 4, "a long one"]}, np.array([1, 0] * 12 + [1])
    model = skmm.FusionClassifier(HashedNGramEncoder(8, n_buckets=256), **FAST)
    rows = [np.arange(24), np.arange(1, 25)]
    stacked = fit_replicas(model, X, y, rows)
    for one, part in zip(stacked, rows, strict=True):
        params = {"random_state": one.random_state}
        texts = {"text": [X["text"][i] for i in part]}
        alone = clone(model).set_params(**params).fit(texts, y[part])
        np.testing.assert_allclose(
            one.predict_proba(X), alone.predict_proba(X), atol=1e-5
        )
    assert can_stack(stacked[0].net_.module_)


def test_long_predictions_are_counted_in_parts(monkeypatch):
    encoder = HashedNGramEncoder(4).build(())
    rows = torch.randint(50, (9, 6))
    expected = encoder(rows)
    monkeypatch.setattr("skmm.nn.encoders.ngrams.ROWS", 4)
    torch.testing.assert_close(encoder(rows), expected)
