"""Files of public data: found in a folder, or downloaded once and checked.

============  =============================  ========================================
data          file in the data folder        downloaded
============  =============================  ========================================
higgs         higgs/higgs.npz                no
mnist         mnist/mnist.npz                11 MB, if it is not there
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
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class DataFile:
    """A file that a `fetch_` function reads.

    Attributes
    ----------
    place : str
        Where it lies in the data folder.
    holds : str
        What must be in it; closes the message of errors.
    origin : str
        Where the data are from, for those who have to make the file.
    url, sha256 : str or None
        Where it can be downloaded as it is, and its checksum.
    """

    place: str
    holds: str
    origin: str
    url: str | None = None
    sha256: str | None = None


HIGGS = DataFile(
    "higgs/higgs.npz",
    "X (n, 28), the columns of the original in its order, and y (n,) of 0 and 1",
    "https://archive.ics.uci.edu/dataset/280/higgs",
)
MNIST = DataFile(
    "mnist/mnist.npz",
    "x_train and x_test (n, 28, 28) of 0 to 255, y_train and y_test (n,)",
    "https://keras.io/api/datasets/mnist",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
MFEAT = DataFile(
    "mfeat/mfeat.npz",
    "fou, fac, kar, pix, zer and mor, each (n, columns), and y (n,)",
    "https://archive.ics.uci.edu/dataset/72/multiple+features",
)
AVMNIST = DataFile(
    "avmnist_fsdd/avmnist_fsdd.npz",
    "audio (n, 32, 40), image (n, 28, 28) of 0 to 255, y, speaker and is_test (n,)",
    "https://github.com/Jakobovski/free-spoken-digit-dataset",
)
SSA_NAMES = DataFile(
    "ssa_names/ssa_names.csv.gz",
    "the columns name, label (F or M) and births_1940_1944 to births_2015_2019",
    "https://www.ssa.gov/oact/babynames/limits.html",
)


def local_file(file, data_home=None, download_if_missing=True):
    """Path of a file, downloaded if need be.

    Raises
    ------
    OSError
        If it is not there and cannot, or shall not, be downloaded.
    """
    path = data_folder(data_home) / file.place
    if path.exists():
        return path
    if file.url is None or not download_if_missing:
        why = "is not there" if file.url else "is not there, and cannot be downloaded"
        raise FileNotFoundError(_missing(file, path, why))
    try:
        download(file, path)
    except (OSError, HTTPException) as error:
        raise OSError(_missing(file, path, f"cannot be had: {error!r}")) from error
    return path


def data_folder(data_home=None):
    """Folder of the data sets."""
    home = data_home or os.environ.get("SKMM_DATA") or "~/skmm_data"
    return Path(home).expanduser()


def _missing(file, path, why):
    fix = f"Download {file.url} and put it there" if file.url else "Put a file there"
    return (
        f"{path} {why}. {fix}, or name the folder that has {file.place} with "
        "data_home= or the environment variable SKMM_DATA. It must hold "
        f"{file.holds}; the data are from {file.origin}."
    )


def download(file, path):
    """Write a file all at once, or not at all.

    Raises
    ------
    ValueError
        If the checksum is another one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            found = _copy(file.url, out)
        if found != file.sha256:
            raise ValueError(
                f"{file.url} has the checksum {found}, expected {file.sha256}: it was "
                "changed or cut off. Nothing was kept; try again."
            )
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)


def _copy(url, out):
    """Copy what a URL gives to an open file, and return its SHA-256."""
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
        If it is damaged, or lacks one.
    """
    try:
        with open(path, "rb") as opened, np.load(opened) as archive:
            return {name: archive[name] for name in names}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. It must hold {file.holds}."
        ) from error
