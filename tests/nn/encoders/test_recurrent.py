"""Recurrent encoders: padding, sequences, and their use in estimators."""

import numpy as np
import pytest
import torch
from torch import nn

from skmm import FusionClassifier, FusionRegressor, ModalityDict, load
from skmm._random import seeded
from skmm.data import check_modalities
from skmm.data.tensors import to_tensors
from skmm.model_selection import fit_replicas
from skmm.nn import LSTMEncoder, MLPEncoder
from skmm.nn.encoders import recurrent
from skmm.training import Stage, replicas
from tests.toys import assert_same_state, state_of

WORDS = ["anna", "bo", "", "élodie", "x" * 30, "bo"]
KINDS = [
    {},
    {"layers": 2},
    {"bidirectional": True},
    {"layers": 2, "bidirectional": True},
]
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def tokens(words, longer=0):
    rows = to_tensors(
        ModalityDict(w=np.array(words, dtype=object)),
        {"w": torch.int64},
        torch.device("cpu"),
    ).x["w"]
    return nn.functional.pad(rows, (0, longer))


def reader(**params):
    with seeded(0):
        return LSTMEncoder(12, characters=6, **params).build(())


# -- padding -----------------------------------------------------------------------


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_padding_has_no_influence(params):
    encoder = reader(**params)
    together = encoder(tokens(WORDS))
    torch.testing.assert_close(encoder(tokens(WORDS, 17)), together, **CLOSE)
    alone = torch.cat([encoder(tokens([word])) for word in WORDS])
    torch.testing.assert_close(alone, together, **CLOSE)
    torch.testing.assert_close(together[1], together[5], **CLOSE)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_padding_has_no_influence_on_gradients(params):
    def gradients(batches):
        encoder = reader(**params)
        sum(encoder(batch).square().sum() for batch in batches).backward()
        return [weight.grad for weight in encoder.parameters()]

    together = gradients([tokens(WORDS, 5)])
    alone = gradients([tokens([word]) for word in WORDS])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert (together[0][0] == 0).all()  # the padding has an embedding that never learns


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_is_torchs_lstm_on_each_text(params):
    encoder = reader(**params)
    for word in WORDS:
        row = tokens([word])
        out, _ = encoder.lstm(encoder.table(row))
        expected = out[:, -1, :12]
        if encoder.bidirectional:  # the backward half ends at the first character
            expected = torch.cat([expected, out[:, 0, 12:]], 1)
        torch.testing.assert_close(encoder(row), expected, **CLOSE)


def test_every_character_and_their_order_matter():
    encoder = reader()
    out = encoder(tokens(["abc", "cab", "abcd", "bbc", "ab"]))
    assert (torch.cdist(out, out) + torch.eye(5)).min() > 1e-4


def test_empty_texts():
    encoder = reader()
    assert torch.isfinite(encoder(tokens([""]))).all()
    assert torch.equal(encoder(tokens(["", ""]))[0], encoder(tokens(["", "a"]))[0])


def test_all_bytes_have_an_embedding():
    every = torch.arange(257)[None]
    assert torch.isfinite(reader()(every)).all()


# -- long texts --------------------------------------------------------------------


LENGTHS = [1, 600, 256, 257, 513, 512, 0, 90]


@pytest.mark.parametrize("params", [*KINDS, {"max_length": 300}], ids=str)
def test_pieces_are_the_whole(params, monkeypatch):
    """Whichever text ends in, or with, which piece."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcé"), n)) for n in LENGTHS]
    found = []
    for piece in (10_000, recurrent.PIECE, 7):
        monkeypatch.setattr(recurrent, "PIECE", piece)
        encoder = reader(**params)
        out = encoder(tokens(texts, 3))
        out.square().sum().backward()
        found.append([out, *(weight.grad for weight in encoder.parameters())])
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_max_length_truncates(params):
    cut = reader(max_length=4, **params)
    texts = ["annabel", "bo", "", "anna", "x" * 700]
    beginnings = [text[:4] for text in texts]
    torch.testing.assert_close(cut(tokens(texts)), cut(tokens(beginnings)))
    torch.testing.assert_close(cut(tokens(texts)), reader(**params)(tokens(beginnings)))
    assert torch.equal(cut(tokens(["abcdefg"])), cut(tokens(["abcdxyz"])))
    assert not torch.equal(cut(tokens(["abcdefg"])), cut(tokens(["abcxefg"])))
    assert torch.isfinite(cut(tokens(["aaaé"]))).all()  # cut within a letter


@pytest.mark.parametrize("shape", [(3, 20), (20,)])
def test_sequences_are_cut_along_their_positions(shape):
    encoder = LSTMEncoder(7, max_length=5).build(shape)
    x = torch.rand(4, *shape)
    torch.testing.assert_close(encoder(x), encoder(x[..., :5]))
    assert not torch.equal(encoder(x), encoder(x[..., :4]))


# -- sequences of numbers ----------------------------------------------------------


def test_sequences_are_read_along_their_positions():
    encoder = LSTMEncoder(7).build((3, 20))
    x = torch.rand(4, 3, 20)
    out, _ = encoder.lstm(x.transpose(1, 2))
    torch.testing.assert_close(encoder(x), out[:, -1])
    assert encoder.in_dtype == torch.float32
    assert encoder.lstm.input_size == 3


def test_a_vector_is_one_channel():
    encoder = LSTMEncoder(7).build((20,))
    x = torch.rand(3, 20)
    torch.testing.assert_close(encoder(x), encoder(x[:, None]))


def test_images_raise():
    with pytest.raises(ValueError, match=r"LSTMEncoder expects text, .*\(1, 8, 8\)"):
        LSTMEncoder().build((1, 8, 8))


def test_shape_and_number_of_parameters():
    assert sum(p.numel() for p in LSTMEncoder().build(()).parameters()) == 33_312
    both = LSTMEncoder(9, bidirectional=True).build(())
    assert both.out_features == 18
    assert both(tokens(WORDS)).shape == (6, 18)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout(layers):
    encoder = reader(dropout=0.5, layers=layers)
    same = tokens(["hello"] * 200)
    assert ((encoder(same) == 0).float().mean() - 0.5).abs() < 0.1
    encoder.eval()
    torch.testing.assert_close(encoder(same)[0], encoder(same)[1])
    assert encoder.lstm.dropout == (0.5 if layers == 2 else 0.0)


# -- in estimators -----------------------------------------------------------------


def names(n=60):
    """Texts that end in a or o, and a table that says nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    stems = ["".join(rng.choice(list("bcdl"), rng.integers(2, 8))) for _ in range(n)]
    texts = [stem + "ao"[label] for stem, label in zip(stems, y, strict=True)]
    return ModalityDict(name=texts, table=rng.normal(size=(n, 3))), y


def model(max_epochs=3, **params):
    encoders = {"name": LSTMEncoder(10, characters=5)}
    return FusionClassifier(encoders, max_epochs=max_epochs, random_state=0, **params)


def test_learns_how_names_end():
    X, y = names(120)
    fitted = model(max_epochs=30, lr=0.02).fit(X[:90], y[:90])
    assert fitted.score(X[90:], y[90:]) > 0.9


def test_two_fits_are_equal():
    X, y = names()
    a, b = (model().fit(X, y).net_.module_ for _ in range(2))
    assert_same_state(state_of(a), state_of(b))


def test_longer_texts_of_other_samples_have_no_influence():
    X, y = names()
    fitted = model().fit(X, y)
    long = ModalityDict.concat([X, X[[0]].assign(name=["z" * 300])])
    np.testing.assert_allclose(
        fitted.predict_proba(long)[:-1], fitted.predict_proba(X), atol=1e-6
    )


def test_missing_texts():
    X, y = names()
    X = X.with_missing("name", slice(0, None, 3))
    other = X.assign(name=np.where(X.present["name"], X["name"], "rubbish"))
    other = other.with_missing("name", slice(0, None, 3))
    a, b = (model().fit(data, y).predict_proba(data) for data in (X, other))
    np.testing.assert_array_equal(a, b)
    fitted = model().fit(X, y)
    assert fitted.predict({"table": X["table"]}).shape == (60,)


def test_replicas_are_fitted_one_by_one():
    X, y = names()
    samples = [np.arange(40), np.arange(20, 60)]
    net = model()
    problem = net.prepare(X, y)
    assert not replicas.can_be_stacked(net.make_net(problem.module), problem)
    fitted = fit_replicas(model(), X, y, samples)
    for one, rows in zip(fitted, samples, strict=True):
        alone = model().fit(X[rows], y[rows])
        assert_same_state(state_of(one.net_.module_), state_of(alone.net_.module_))


def test_the_embedding_of_a_frozen_encoder_is_computed_once(monkeypatch):
    calls = []
    forward = LSTMEncoder.forward

    def counting(self, x):
        calls.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(LSTMEncoder, "forward", counting)
    X, y = names()
    pretrained = model().fit(X, y).encoders_["name"]
    stages = [Stage(["encoders__table", "fusion", "head"], epochs=6)]
    net = FusionClassifier({"name": pretrained}, stages=stages, random_state=0)
    calls.clear()
    fitted = net.fit(X, y)
    assert sum(calls) <= 2 * len(X)  # not once per epoch
    assert_same_state(state_of(fitted.encoders_["name"]), state_of(pretrained))


@pytest.mark.parametrize(
    "params", [*KINDS, {"dropout": 0.3}, {"max_length": 3}], ids=str
)
def test_saved_and_loaded(tmp_path, params):
    X, y = names()
    fitted = model().set_params(encoders__name=LSTMEncoder(6, **params)).fit(X, y)
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_sequences_of_numbers_in_an_estimator():
    rng = np.random.default_rng(0)
    X = {"signal": rng.normal(size=(40, 2, 12)), "spectrum": rng.normal(size=(40, 9))}
    y = X["signal"][:, 0, -1]
    net = FusionRegressor(LSTMEncoder(6), max_epochs=2, random_state=0)
    assert net.fit(X, y).predict(X).shape == (40,)


def test_text_for_an_encoder_of_numbers_raises():
    X, y = names()
    with pytest.raises(ValueError, match=r"encoders\['name'\]: MLPEnc.*HashedNGram"):
        FusionClassifier(MLPEncoder()).fit(check_modalities(X), y)
