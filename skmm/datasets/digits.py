"""Digits: as images, as sounds with images, and by six sets of features."""

import numpy as np
from sklearn.utils import Bunch

from skmm._sklearn import StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict
from skmm.datasets._fetching import AVMNIST, MFEAT, MNIST, local_file, read_arrays

VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")

MNIST_DESCR = """MNIST: 70,000 handwritten digits, grey images of 28 x 28.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86, 2278-2324, 1998.
"""
AVMNIST_DESCR = """Spoken and written digits.

Spoken digits of the Free Spoken Digit Dataset (Z. Jackson and others, CC BY-SA 4.0) as
log-mel spectrograms of 32 bands and 40 frames, each paired with an MNIST image of the
same digit. Sounds and images are real, the pairs are not. The test set has the takes 0
to 4 of every speaker and digit, with images of the test set of MNIST.
"""
MFEAT_DESCR = """Multiple features: 2,000 handwritten numerals, six sets of features.

"fou" Fourier coefficients (76), "fac" profile correlations (216), "kar" Karhunen-Loeve
coefficients (64), "pix" means of 2 x 3 pixels (240), "zer" Zernike moments (47), "mor"
morphological features (6). The samples are sorted by class: shuffle when
splitting.

R. Duin, UCI Machine Learning Repository.
"""
SUBSETS = {
    "subset": [StrOptions({"train", "test", "all"})],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
}


def fetch_mnist(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False
):
    """Read MNIST from a file, or download it once (11 MB).

    ===============  =========================================================
    samples          60,000 to train on, 10,000 to test
    modalities       `image`; derive others with ``TopRows`` and ``Downscale``
    classes          the digits
    ===============  =========================================================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        With "all", the test samples come last.
    data_home : path-like or None, default=None
        Data folder; None means the environment variable SKMM_DATA, or ~/skmm_data.
        The file in it is `mnist/mnist.npz`.
    download_if_missing : bool, default=True
        Whether to download the file if it is missing, instead of raising an error.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict with `image`, (n_samples, 1, 28, 28) float32 from 0 to 1
        - target : ndarray of shape (n_samples,)
        - target_names : list of int
        - DESCR, filename : str

        or the first two, if `return_X_y`.

    Raises
    ------
    OSError
        If the file does not exist and cannot be downloaded.
    ValueError
        If the checksum of the download is wrong, or the content of the file is not as
        required.

    Examples
    --------
    >>> from skmm.datasets import fetch_mnist
    >>> X, y = fetch_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    """
    given = {"subset": subset, "return_X_y": return_X_y}
    given["download_if_missing"] = download_if_missing
    validate_parameter_constraints(SUBSETS, given, caller_name="fetch_mnist")
    path = local_file(MNIST, data_home, download_if_missing)
    parts = ["train", "test"] if subset == "all" else [subset]
    names = [f"{kind}_{part}" for kind in "xy" for part in parts]
    found = read_arrays(path, MNIST, names)
    x, y = (np.concatenate([found[f"{kind}_{p}"] for p in parts]) for kind in "xy")
    return _bunch(ModalityDict(image=_grey(x)), y, MNIST_DESCR, path, return_X_y)


def fetch_avmnist(*, subset="all", data_home=None, return_X_y=False):
    """Read spoken digits paired with images of the same digits from a file.

    ===============  =========================================================
    samples          3,000: 2,700 to train on, 300 to test
    modalities       `audio` (32 bands, 40 frames) and `image` (28 x 28)
    classes          the digits
    ===============  =========================================================

    The file is `avmnist_fsdd/avmnist_fsdd.npz` in the data folder; it is not
    downloaded.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        "test" is the test set of the spoken digits.
    data_home : path-like or None, default=None
        Data folder; None means the environment variable SKMM_DATA, or ~/skmm_data.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict of float32, with `audio` (n_samples, 1, 32, 40), in
          logarithms, and `image` (n_samples, 1, 28, 28), from 0 to 1
        - target : ndarray of shape (n_samples,)
        - speaker : ndarray of str of shape (n_samples,), groups for splitting
        - is_test : ndarray of shape (n_samples,) of bool
        - target_names : list of int
        - DESCR, filename : str

        or the first two, if `return_X_y`.

    Raises
    ------
    OSError
        If the file does not exist.
    ValueError
        If the content of the file is not as required.

    Examples
    --------
    >>> from skmm.datasets import fetch_avmnist
    >>> X, y = fetch_avmnist(return_X_y=True)  # doctest: +SKIP
    """
    given = {"subset": subset, "return_X_y": return_X_y}
    validate_parameter_constraints(SUBSETS, given, caller_name="fetch_avmnist")
    path = local_file(AVMNIST, data_home)
    names = ["audio", "image", "y", "speaker", "is_test"]
    found = read_arrays(path, AVMNIST, names)
    test = found["is_test"]
    rows = {"test": test, "train": ~test, "all": slice(None)}[subset]
    found = {name: values[rows] for name, values in found.items()}
    audio = found["audio"].astype(np.float32)[:, None]
    return _bunch(
        ModalityDict(audio=audio, image=_grey(found["image"])),
        found["y"],
        AVMNIST_DESCR,
        path,
        return_X_y,
        speaker=found["speaker"].astype(object),
        is_test=found["is_test"],
    )


def fetch_mfeat(*, data_home=None, return_X_y=False):
    """Read six sets of features of 2,000 handwritten numerals from a file.

    ===============  =========================================================
    samples          2,000, sorted by class: shuffle when splitting
    modalities       `fou` (76), `fac` (216), `kar` (64), `pix` (240), `zer` (47),
                     `mor` (6)
    classes          the digits, 200 samples each
    ===============  =========================================================

    The file is `mfeat/mfeat.npz` in the data folder; it is not downloaded.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Data folder; None means the environment variable SKMM_DATA, or ~/skmm_data.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict of six tables (n_samples, columns), float32
        - target : ndarray of shape (n_samples,)
        - target_names : list of int
        - DESCR, filename : str

        or the first two, if `return_X_y`.

    Raises
    ------
    OSError
        If the file does not exist.
    ValueError
        If the content of the file is not as required.

    Examples
    --------
    >>> from skmm.datasets import fetch_mfeat
    >>> X, y = fetch_mfeat(return_X_y=True)  # doctest: +SKIP
    """
    given = {"return_X_y": return_X_y}
    validate_parameter_constraints(SUBSETS, given, caller_name="fetch_mfeat")
    path = local_file(MFEAT, data_home)
    found = read_arrays(path, MFEAT, [*VIEWS, "y"])
    data = ModalityDict({name: found[name].astype(np.float32) for name in VIEWS})
    return _bunch(data, found["y"], MFEAT_DESCR, path, return_X_y)


def _grey(images):
    """Convert bytes to floats from 0 to 1, with a channel axis."""
    return images[:, None].astype(np.float32) / np.float32(255)


def _bunch(data, y, descr, path, return_X_y, **more):
    target = y.astype(int)
    if return_X_y:
        return data, target
    names = np.unique(target).tolist()
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        DESCR=descr,
        filename=str(path),
        **more,
    )
