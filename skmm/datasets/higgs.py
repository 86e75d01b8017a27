"""HIGGS: collisions, by properties as measured and by derived ones."""

import numpy as np
from sklearn.utils import Bunch

from skmm._sklearn import StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict
from skmm.datasets._fetching import HIGGS, local_file, read_arrays

JET = ("pt", "eta", "phi", "b-tag")
LOW = [f"lepton {part}" for part in ("pT", "eta", "phi")]
LOW += ["missing energy magnitude", "missing energy phi"]
LOW += [f"jet {number} {part}" for number in range(1, 5) for part in JET]
HIGH = [f"m_{part}" for part in ("jj", "jjj", "lv", "jlv", "bb", "wbb", "wwbb")]

DESCR = """HIGGS: does a collision produce a Higgs boson, or is it background?

Simulated collisions of protons. "low" has 21 kinematic properties as a detector
measures them; "high" has 7 masses that physicists derive from these. So "high" adds no
information, only a better representation. 1 is signal, 0 background.

P. Baldi, P. Sadowski and D. Whiteson, "Searching for exotic particles in high-energy
physics with deep learning", Nature Communications 5, 4308, 2014; UCI Machine Learning
Repository. The original has 11 million samples; a part of them suffices.
"""


def fetch_higgs(*, subset=None, data_home=None, return_X_y=False):
    """Read HIGGS, collisions with low- and high-level features, from a file.

    ===============  =========================================================
    samples          those of the file
    modalities       `low` (21 numbers) and `high` (7 numbers derived from them)
    classes          0 background, 1 signal
    ===============  =========================================================

    The file is `higgs/higgs.npz` in the data folder, with X of shape (n_samples, 28)
    and y of shape (n_samples,); it is not downloaded.

    Parameters
    ----------
    subset : "small" or None, default=None
        "small" takes every third sample.
    data_home : path-like or None, default=None
        Data folder; None means the environment variable SKMM_DATA, or ~/skmm_data.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict of float32, with `low` (n_samples, 21) and `high`
          (n_samples, 7)
        - target : ndarray of shape (n_samples,), 0 or 1
        - target_names : list of str, the meaning of 0 and 1
        - feature_names : dict of list of str, by modality
        - DESCR, filename : str

        or the first two, if `return_X_y`.

    Raises
    ------
    OSError
        If the file does not exist.
    ValueError
        If the content of the file is not as required.

    References
    ----------
    Baldi, Sadowski and Whiteson, "Searching for exotic particles in high-energy physics
    with deep learning", 2014.

    Examples
    --------
    >>> from skmm.datasets import fetch_higgs
    >>> X, y = fetch_higgs(return_X_y=True)  # doctest: +SKIP
    """
    validate_parameter_constraints(
        {"subset": [StrOptions({"small"}), None], "return_X_y": ["boolean"]},
        {"subset": subset, "return_X_y": return_X_y},
        caller_name="fetch_higgs",
    )
    path = local_file(HIGGS, data_home)
    X, y = _numbers(path)
    rows = slice(None, None, 3 if subset == "small" else 1)
    data = ModalityDict(low=X[rows, : len(LOW)], high=X[rows, len(LOW) :])
    return (data, y[rows]) if return_X_y else _bunch(data, y[rows], path)


def _numbers(path):
    """Return X and y of the file, after checking them."""
    found = read_arrays(path, HIGGS, ["X", "y"])
    X, y = found["X"], found["y"]
    if X.ndim != 2 or X.shape[1] != len(LOW + HIGH) or y.shape != X.shape[:1]:
        raise ValueError(
            f"{path} has X of shape {X.shape} and y of shape {y.shape}. It must hold "
            f"{HIGGS.holds}."
        )
    try:
        X, labels = X.astype("float32"), y.astype("float64")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} has values that are not numbers: {error}. It must hold "
            f"{HIGGS.holds}."
        ) from error
    others = np.setdiff1d(labels, (0, 1))
    if len(others):
        raise ValueError(f"{path} has {others[0]:g} in y. It must hold {HIGGS.holds}.")
    return X, labels.astype(int)


def _bunch(data, y, path):
    return Bunch(
        data=data,
        target=y,
        target_names=["background", "signal"],
        feature_names={"low": LOW.copy(), "high": HIGH.copy()},
        DESCR=DESCR,
        filename=str(path),
    )
