"""First names, and how often they were given over time."""

import pandas as pd
from sklearn.utils import Bunch

from skmm._sklearn import validate_parameter_constraints
from skmm.data import ModalityDict
from skmm.datasets._fetching import SSA_NAMES, local_file

PERIODS = [f"births_{year}_{year + 4}" for year in range(1940, 2020, 5)]
DESCR = """First names in the United States, and the sex of most people who have them.

Names given 300 times or more from 1940 to 2019, with the number of children given each
name in 16 periods of five years. "F" if most of them are girls, else "M". One name in
ten is common for both (10 to 90 % girls), so that no rule is always right.

United States Social Security Administration, baby names: public domain. Counts only.
"""


def fetch_ssa_names(*, data_home=None, return_X_y=False):
    """Read first names and the number of births by period from a file.

    ===============  =========================================================
    samples          20,843 names
    modalities       `name` (text) and `births`, numbers of children in 16 periods of
                     five years, girls and boys together
    classes          "F" 12,708, "M" 8,135
    ===============  =========================================================

    The file is `ssa_names/ssa_names.csv.gz` in the data folder; it is not downloaded.
    Its other columns are not read: the share of girls would reveal the class.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Data folder; None means the environment variable SKMM_DATA, or ~/skmm_data.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict with `name`, text, and `births`, a DataFrame of shape
          (n_samples, 16)
        - target : ndarray of shape (n_samples,), dtype object, "F" or "M"
        - target_names, feature_names : list, dict of list by modality
        - DESCR, filename : str

        or the first two, if `return_X_y`.

    Raises
    ------
    OSError
        If the file does not exist.
    ValueError
        If the content of the file is not as required.

    Notes
    -----
    Counts are skewed: take logarithms first, for example with
    ``ModalityTransformer({"births": FunctionTransformer(np.log1p)})``.

    Examples
    --------
    >>> from skmm.datasets import fetch_ssa_names
    >>> X, y = fetch_ssa_names(return_X_y=True)  # doctest: +SKIP
    """
    validate_parameter_constraints(
        {"return_X_y": ["boolean"]},
        {"return_X_y": return_X_y},
        caller_name="fetch_ssa_names",
    )
    path = local_file(SSA_NAMES, data_home)
    table = _read(path)
    data = ModalityDict(
        name=table["name"].to_numpy(object), births=table[PERIODS].astype(float)
    )
    target = table["label"].to_numpy(object)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=["F", "M"],
        feature_names={"births": PERIODS.copy()},
        DESCR=DESCR,
        filename=str(path),
    )


def _read(path):
    try:  # "Nan" is a name
        columns = ["name", "label", *PERIODS]
        return pd.read_csv(path, keep_default_na=False, usecols=columns)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. It must hold {SSA_NAMES.holds}."
        ) from error
