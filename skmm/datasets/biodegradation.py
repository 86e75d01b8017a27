"""Ready biodegradability of chemicals, from descriptors and structures."""

from importlib.resources import as_file, files

import pandas as pd
from sklearn.utils import Bunch

from skmm._sklearn import StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict

FILES = files("skmm.datasets") / "files"
NOT_DESCRIPTORS = ["smiles", "smiles_match", "class"]


def load_biodegradation(*, match="unique", return_X_y=False):
    """Load the biodegradation data: SMILES and descriptors of 935 chemicals.

    ===============  =========================================================
    samples          935, or 1053 with ``match="all"``
    modalities       `smiles` (text) and `descriptors` (41 numbers)
    classes          "RB" (readily biodegradable) 290, "NRB" (not) 645; with
                     ``match="all"`` 355 and 698
    missing values   none
    licence          CC BY 4.0; see `DESCR` for the attribution
    ===============  =========================================================

    The samples are sorted by class: shuffle when splitting.

    Parameters
    ----------
    match : {"unique", "all"}, default="unique"
        The source has no structures; SMILES were matched by the descriptors. "unique"
        keeps the chemicals with a single match. "all" adds 118 that were chosen among
        several matches with the help of the *label*, so that scores on them can be
        slightly optimistic.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : ModalityDict with `smiles`, text of shape (n_samples,), and
          `descriptors`, a DataFrame of floats of shape (n_samples, 41)
        - target : ndarray of shape (n_samples,), dtype object, "RB" or "NRB"
        - target_names : list of str, in the order of ``classes_``
        - feature_names : list of the 41 descriptors
        - frame : DataFrame of shape (n_samples, 44): `smiles`, the descriptors,
          `class` and `smiles_match`
        - DESCR : str, source, attribution, meaning of the columns, verification
        - filename : str, the bundled file

        or the first two, if `return_X_y`.

    Raises
    ------
    ValueError
        If a parameter is invalid.

    References
    ----------
    K. Mansouri, T. Ringsted, D. Ballabio, R. Todeschini, V. Consonni. Quantitative
    Structure-Activity Relationship Models for Ready Biodegradability of Chemicals.
    Journal of Chemical Information and Modeling 53(4), 867-878, 2013.
    doi:10.1021/ci4000213

    Examples
    --------
    >>> from skmm.datasets import load_biodegradation
    >>> X, y = load_biodegradation(return_X_y=True)
    >>> X
    ModalityDict: 935 rows, 2 modalities
      smiles       text (935,), first 'CCCCCCCCCCC'
      descriptors  frame (935, 41) float64
    >>> y[0], y[-1]
    ('RB', 'NRB')
    """
    validate_parameter_constraints(
        {"match": [StrOptions({"unique", "all"})], "return_X_y": ["boolean"]},
        {"match": match, "return_X_y": return_X_y},
        caller_name="load_biodegradation",
    )
    frame = _frame(match)
    names = [column for column in frame if column not in NOT_DESCRIPTORS]
    data = ModalityDict(smiles=frame["smiles"], descriptors=frame[names])
    target = frame["class"].to_numpy(object)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=["NRB", "RB"],
        feature_names=names,
        frame=frame,
        DESCR=(FILES / "biodegradation.rst").read_text(encoding="utf-8"),
        filename=str(FILES / "biodegradation.csv.gz"),
    )


def _frame(match):
    with as_file(FILES / "biodegradation.csv.gz") as path:
        table = pd.read_csv(path, keep_default_na=False)
    keep = ["unique"] if match == "unique" else ["unique", "best_of_several", "tie"]
    table = table[table["smiles_match"].isin(keep)].reset_index(drop=True)
    numbers = table.drop(columns=NOT_DESCRIPTORS).astype(float)
    text = table[NOT_DESCRIPTORS]
    return pd.concat(
        [text[["smiles"]], numbers, text[["class", "smiles_match"]]], axis=1
    )
