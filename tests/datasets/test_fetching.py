"""Data that are read from a folder, or downloaded once and checked."""

import gzip
import hashlib
import io
import os
import threading
from dataclasses import replace
from functools import partial
from http.client import IncompleteRead
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest

from skmm import FusionClassifier, ModalityDict
from skmm.datasets import (
    _fetching,
    digits,
    fetch_avmnist,
    fetch_higgs,
    fetch_mfeat,
    fetch_mnist,
    fetch_ssa_names,
)
from skmm.datasets._fetching import (
    AVMNIST,
    HIGGS,
    MFEAT,
    MNIST,
    SSA_NAMES,
    DataFile,
    data_folder,
    local_file,
)
from skmm.datasets.names import PERIODS

FETCH = {
    fetch_higgs: HIGGS,
    fetch_mnist: MNIST,
    fetch_mfeat: MFEAT,
    fetch_avmnist: AVMNIST,
    fetch_ssa_names: SSA_NAMES,
}
LOCAL = [fetch for fetch, file in FETCH.items() if file.url is None]
WIDTHS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}
every = pytest.mark.parametrize("fetch", FETCH, ids=lambda f: f.__name__)


def small(n=12):
    """What each file holds, in little."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 10
    images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
    return {
        HIGGS: {"X": rng.normal(size=(n, 28)), "y": (y % 2).astype(np.int8)},
        MNIST: {
            "x_train": images,
            "y_train": y.astype(np.uint8),
            "x_test": images[:5],
            "y_test": y[:5].astype(np.uint8),
        },
        MFEAT: {**{k: rng.normal(size=(n, d)) for k, d in WIDTHS.items()}, "y": y},
        AVMNIST: {
            "audio": rng.normal(size=(n, 32, 40)).astype(np.float16),
            "image": images,
            "y": y,
            "speaker": np.array(["jo", "li"] * (n // 2)),
            "is_test": np.arange(n) < 4,
        },
    }


def names_table():
    table = pd.DataFrame({"name": ["Ann", "Nan", "NA", "Bo"], "label": list("FFMM")})
    table["female_share"] = [1.0, 1.0, 0.0, 0.2]
    return table.assign(**{period: range(4) for period in PERIODS})


@pytest.fixture
def home(tmp_path):
    for file, arrays in small().items():
        path = tmp_path / file.place
        path.parent.mkdir()
        np.savez(path, **arrays)
    path = tmp_path / SSA_NAMES.place
    path.parent.mkdir()
    names_table().to_csv(path, index=False)
    return tmp_path


# -- what is read ------------------------------------------------------------------


@every
def test_a_bunch_as_scikit_learns(fetch, home):
    bunch = fetch(data_home=home)
    X, y = fetch(data_home=home, return_X_y=True)
    assert isinstance(X, ModalityDict) and X == bunch.data
    np.testing.assert_array_equal(y, bunch.target)
    assert len(X) == len(y)
    labels = [0, 1] if fetch is fetch_higgs else bunch.target_names
    assert set(y) <= set(labels)
    assert len(bunch.DESCR.splitlines()) > 2
    assert bunch.filename == str(home / FETCH[fetch].place)
    for name, columns in bunch.get("feature_names", {}).items():
        assert X[name].shape[1] == len(columns) == len(set(columns))


@every
def test_nets_can_read_it(fetch, home):
    X, y = fetch(data_home=home, return_X_y=True)
    model = FusionClassifier(max_epochs=1, random_state=0).fit(X, y)
    assert model.predict(X).shape == y.shape


def test_higgs(home):
    X, y = fetch_higgs(data_home=home, return_X_y=True)
    whole = small()[HIGGS]
    expected = whole["X"].astype(np.float32)
    np.testing.assert_array_equal(np.hstack([X["low"], X["high"]]), expected)
    assert X["low"].shape == (12, 21) and X["high"].dtype == np.float32
    np.testing.assert_array_equal(y, whole["y"])
    part, z = fetch_higgs(subset="small", data_home=home, return_X_y=True)
    assert part == X[::3] and z.tolist() == y[::3].tolist()


def test_mnist(home):
    whole = small()[MNIST]
    for subset, rows in (("train", 12), ("test", 5), ("all", 17)):
        X, y = fetch_mnist(subset=subset, data_home=home, return_X_y=True)
        assert X["image"].shape == (rows, 1, 28, 28) and len(y) == rows
    assert X["image"].dtype == np.float32 and X["image"].max() == 1.0
    np.testing.assert_allclose(X["image"][:12, 0] * 255, whole["x_train"], atol=1e-4)
    assert y.tolist() == [*whole["y_train"], *whole["y_test"]]


def test_avmnist(home):
    bunch = fetch_avmnist(data_home=home)
    assert bunch.data["audio"].shape == (12, 1, 32, 40)
    assert bunch.data["image"].max() == 1.0
    train, test = (fetch_avmnist(subset=s, data_home=home) for s in ("train", "test"))
    assert train.data == bunch.data[~bunch.is_test] and not train.is_test.any()
    assert test.data == bunch.data[bunch.is_test] and len(test.speaker) == 4


def test_mfeat(home):
    X, _ = fetch_mfeat(data_home=home, return_X_y=True)
    assert {name: leaf.shape[1] for name, leaf in X.items()} == WIDTHS
    np.testing.assert_allclose(X["zer"], small()[MFEAT]["zer"], rtol=1e-6)


def test_names_and_never_the_share_of_girls(home):
    bunch = fetch_ssa_names(data_home=home)
    assert bunch.data["name"].tolist() == ["Ann", "Nan", "NA", "Bo"]
    assert list(bunch.data["births"].columns) == PERIODS and len(PERIODS) == 16
    assert "female_share" not in str(bunch.data["births"].columns)
    assert bunch.target.tolist() == list("FFMM")


# -- real files, if there are any --------------------------------------------------

REAL = {
    fetch_higgs: (25_970, {"low": 21, "high": 7}),
    fetch_mnist: (60_000, {"image": 1}),
    fetch_mfeat: (2_000, WIDTHS),
    fetch_avmnist: (3_000, {"audio": 1, "image": 1}),
    fetch_ssa_names: (20_843, {"births": 16}),
}


@every
def test_the_real_file(fetch):
    home = os.environ.get("SKMM_DATA", "")
    if not os.path.exists(os.path.join(home, FETCH[fetch].place)):
        pytest.skip("SKMM_DATA names no folder that has it")
    bunch, (rows, widths) = fetch(), REAL[fetch]
    assert len(bunch.data) == len(bunch.target) == rows
    assert {n: bunch.data[n].shape[1] for n in widths} == widths
    assert len(set(bunch.target)) == len(bunch.target_names)


# -- where it is looked for --------------------------------------------------------


def test_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SKMM_DATA", "/elsewhere")
    assert str(data_folder()) == "/elsewhere"
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.delenv("SKMM_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "skmm_data"
    assert data_folder("~/own") == tmp_path / "own"


def test_the_environment_names_the_folder(monkeypatch, home):
    monkeypatch.setenv("SKMM_DATA", str(home))
    assert len(fetch_higgs().data) == 12


@pytest.mark.parametrize("fetch", LOCAL, ids=lambda f: f.__name__)
def test_a_missing_file_is_named_with_what_it_must_hold(fetch, tmp_path):
    with pytest.raises(FileNotFoundError, match="it is not downloaded") as error:
        fetch(data_home=tmp_path)
    file, text = FETCH[fetch], str(error.value)
    for part in (file.place, file.holds, file.origin, "SKMM_DATA", "data_home"):
        assert part in text
    assert list(tmp_path.iterdir()) == []


@every
def test_a_damaged_file_is_named(fetch, home):
    path = home / FETCH[fetch].place
    path.write_bytes(path.read_bytes()[:300] if path.suffix == ".npz" else b"\x1f\x8b0")
    with pytest.raises(ValueError, match=r"cannot be read.*It must hold"):
        fetch(data_home=home)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot be read.*It must hold"):
        fetch(data_home=home)


def test_a_file_without_what_it_must_hold(home):
    np.savez(home / HIGGS.place, X=np.zeros((3, 28)))
    with pytest.raises(ValueError, match=r"cannot be read: .*y.*must hold X"):
        fetch_higgs(data_home=home)
    np.savez(home / HIGGS.place, X=np.zeros((3, 27)), y=np.zeros(3))
    with pytest.raises(ValueError, match=r"X of shape \(3, 27\) .*hold X \(n_s"):
        fetch_higgs(data_home=home)
    for y, words in (["s", "b", "b"], "'s'"), ([0, 1, 2], "has 2 in y"):
        np.savez(home / HIGGS.place, X=np.zeros((3, 28)), y=np.array(y))
        with pytest.raises(ValueError, match=rf"higgs.npz .*{words}.*must hold X"):
            fetch_higgs(data_home=home)
    np.savez(home / HIGGS.place, X=np.full((3, 28), "pT"), y=np.zeros(3))
    with pytest.raises(ValueError, match=r"higgs.npz .*'pT'.*must hold X"):
        fetch_higgs(data_home=home)
    path = home / SSA_NAMES.place
    with gzip.open(path, "wt") as out:
        out.write("name,label\nAnn,F\n")
    with pytest.raises(ValueError, match="births_1940_1944"):
        fetch_ssa_names(data_home=home)


@pytest.mark.parametrize(
    ("fetch", "bad"),
    [
        (fetch_higgs, {"subset": "large"}),
        (fetch_mnist, {"subset": "valid"}),
        (fetch_mnist, {"download_if_missing": "no"}),
        (fetch_avmnist, {"subset": None}),
        *((fetch, {"return_X_y": "yes"}) for fetch in FETCH),
    ],
)
def test_bad_parameters_are_named(fetch, bad, home):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}.*{fetch.__name__}"):
        fetch(data_home=home, **bad)


# -- downloads ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def content():
    out = io.BytesIO()
    np.savez(out, **small()[MNIST])
    return out.getvalue()


class Server(BaseHTTPRequestHandler):
    """Sends `content`, but only `share` of it."""

    def __init__(self, content, share, *args):
        self.content, self.share = content, share
        super().__init__(*args)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: int(self.share * len(self.content))])

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(content, monkeypatch):
    """Serve MNIST from this machine, whole or in part."""
    servers = []

    def start(share=1.0, sha256=None):
        server = HTTPServer(("127.0.0.1", 0), partial(Server, content, share))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        url = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        digest = sha256 or hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(digits, "MNIST", replace(MNIST, url=url, sha256=digest))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_download_is_kept(serve, content, tmp_path):
    serve()
    X, y = fetch_mnist(data_home=tmp_path, return_X_y=True)
    assert len(X) == len(y) == 12
    path = tmp_path / "mnist" / "mnist.npz"
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]
    serve(share=0.0)  # it is not asked again
    assert fetch_mnist(data_home=tmp_path, return_X_y=True)[0] == X


def test_another_checksum_leaves_nothing(serve, tmp_path):
    serve(sha256="0" * 64)
    with pytest.raises(ValueError, match=r"has checksum .*, expected 0{64}"):
        fetch_mnist(data_home=tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_an_interrupted_download_leaves_nothing(serve, tmp_path):
    serve(share=0.5)
    with pytest.raises((ValueError, OSError), match=r"checksum|cannot be downloaded"):
        fetch_mnist(data_home=tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []
    serve()
    assert len(fetch_mnist(data_home=tmp_path).data) == 12


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        IncompleteRead(b"half"),
    ],
    ids=repr,
)
def test_offline(monkeypatch, tmp_path, error):
    def refuse(url, timeout):
        assert url == MNIST.url and timeout > 0
        raise error

    monkeypatch.setattr(_fetching, "urlopen", refuse)
    with pytest.raises(OSError, match="cannot be downloaded") as caught:
        fetch_mnist(data_home=tmp_path)
    for part in (str(tmp_path / MNIST.place), MNIST.url, "put it there", "SKMM_DATA"):
        assert part in str(caught.value)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_ctrl_c_leaves_nothing(monkeypatch, tmp_path):
    class Source(io.BytesIO):
        def read(self, size):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(10)

    monkeypatch.setattr(_fetching, "urlopen", lambda url, timeout: Source(b"x" * 99))
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(data_home=tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_no_download_if_not_wanted(monkeypatch, tmp_path):
    monkeypatch.setattr(_fetching, "urlopen", None)
    with pytest.raises(
        FileNotFoundError, match=r"mnist\.npz does not exist\. Download"
    ):
        fetch_mnist(data_home=tmp_path, download_if_missing=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "mnist").write_text("a file, where the folder should be")
    with pytest.raises(OSError, match="cannot be downloaded"):
        fetch_mnist(data_home=tmp_path)


def test_what_can_be_downloaded_has_a_checksum():
    for file in FETCH.values():
        assert (file.url is None) == (file.sha256 is None)
    assert len(MNIST.sha256) == 64


def test_a_local_url(tmp_path, content):
    source = tmp_path / "source.npz"
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    file = DataFile("to/here.npz", "things", "nowhere", source.as_uri(), digest)
    assert local_file(file, tmp_path).read_bytes() == content
