"""Files of public data, found in a folder, or downloaded once and verified.

============  =============================  ========================================
data          file in the data folder        downloaded
============  =============================  ========================================
higgs         higgs/higgs.npz                no
mnist         mnist/mnist.npz                11 MB, if missing
mfeat         mfeat/mfeat.npz                no
avmnist       avmnist_fsdd/avmnist_fsdd.npz  no
ssa_names     ssa_names/ssa_names.csv.gz     no
============  =============================  ========================================

The data folder is `data_home`, or the environment variable SKMM_DATA, or ~/skmm_data.
"""

import hashlib
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import numpy as np

CHUNK = 2**20
TIMEOUT = 60  # seconds without a response


@dataclass(frozen=True)
class DataFile:
    """A file that a `fetch_` function reads.

    Attributes
    ----------
    place : str
        Path in the data folder.
    holds : str
        Required content, for error messages.
    origin : str
        Source of the data, from which the file can be made.
    url, sha256 : str or None
        Address of the file itself and its checksum, if it can be downloaded.
    """

    place: str
    holds: str
    origin: str
    url: str | None = None
    sha256: str | None = None


HIGGS = DataFile(
    "higgs/higgs.npz",
    "X (n_samples, 28), with the columns of the original, and y (n_samples,), 0 or 1",
    "https://archive.ics.uci.edu/dataset/280/higgs",
)
MNIST = DataFile(
    "mnist/mnist.npz",
    "x_train and x_test (n_samples, 28, 28), 0 to 255; y_train and y_test (n_samples,)",
    "https://keras.io/api/datasets/mnist",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
MFEAT = DataFile(
    "mfeat/mfeat.npz",
    "fou, fac, kar, pix, zer and mor (n_samples, n_features), and y (n_samples,)",
    "https://archive.ics.uci.edu/dataset/72/multiple+features",
)
AVMNIST = DataFile(
    "avmnist_fsdd/avmnist_fsdd.npz",
    "audio (n_samples, 32, 40), image (n_samples, 28, 28), 0 to 255, and y, speaker "
    "and is_test (n_samples,)",
    "https://github.com/Jakobovski/free-spoken-digit-dataset",
)
SSA_NAMES = DataFile(
    "ssa_names/ssa_names.csv.gz",
    "the columns name, label (F or M) and births_1940_1944 to births_2015_2019",
    "https://www.ssa.gov/oact/babynames/limits.html",
)


def local_file(file, data_home=None, download_if_missing=True):
    """Return the path of a file, after downloading it if necessary.

    Raises
    ------
    OSError
        If it is not there and cannot, or should not, be downloaded.
    """
    path = data_folder(data_home) / file.place
    if path.exists():
        return path
    if file.url is None or not download_if_missing:
        why = "does not exist" if file.url else "does not exist; it is not downloaded"
        raise FileNotFoundError(_missing(file, path, why))
    try:
        download(file, path)
    except (OSError, HTTPException) as error:
        raise OSError(
            _missing(file, path, f"cannot be downloaded: {error!r}")
        ) from error
    return path


def data_folder(data_home=None):
    """Return the folder of the data sets."""
    home = data_home or os.environ.get("SKMM_DATA") or "~/skmm_data"
    return Path(home).expanduser()


def _missing(file, path, why):
    fix = f"Download {file.url} and put it there" if file.url else "Put the file there"
    return (
        f"{path} {why}. {fix}, or set data_home or the environment variable SKMM_DATA "
        f"to the folder that contains {file.place}. It must hold {file.holds}; the "
        f"data are from {file.origin}."
    )


def download(file, path):
    """Write a file all at once, or not at all.

    Raises
    ------
    ValueError
        If the checksum is wrong.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            found = _copy(file.url, out)
        if found != file.sha256:
            raise ValueError(
                f"{file.url} has checksum {found}, expected {file.sha256}: it was "
                "changed or truncated. Nothing was kept; try again."
            )
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)


def _copy(url, out):
    """Copy the content of a URL to an open file, and return its SHA-256."""
    digest = hashlib.sha256()
    with urlopen(url, timeout=TIMEOUT) as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def read_arrays(path, file, names):
    """Return some arrays of an npz file.

    Raises
    ------
    ValueError
        If the file is damaged or an array is missing.
    """
    try:
        with open(path, "rb") as opened, np.load(opened) as archive:
            return {name: archive[name] for name in names}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. It must hold {file.holds}."
        ) from error
