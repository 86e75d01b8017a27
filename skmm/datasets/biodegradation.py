"""Ready biodegradability of chemicals, from descriptors and from the structure."""

from importlib.resources import as_file, files

import pandas as pd
from sklearn.utils import Bunch

from skmm._sklearn import StrOptions, validate_parameter_constraints
from skmm.data import ModalityDict

FILES = files("skmm.datasets") / "files"
NOT_DESCRIPTORS = ["smiles", "smiles_match", "class"]


def load_biodegradation(*, match="unique", return_X_y=False):
    """Load 935 chemicals, readily biodegradable or not, as SMILES and descriptors.

    ===============  =========================================================
    rows             935, or 1053 with ``match="all"``
    modalities       `smiles` (text) and `descriptors` (41 numbers)
    classes          "RB" (readily biodegradable) 290, "NRB" (not) 645; with
                     ``match="all"`` 355 and 698
    missing values   none
    licence          CC BY 4.0; `DESCR` names whom to credit
    ===============  =========================================================

    The rows are sorted into blocks of one class: shuffle when splitting.

    Parameters
    ----------
    match : {"unique", "all"}, default="unique"
        The source has no structures; SMILES were joined by what the descriptors say
        about them. "unique" keeps the chemicals that only one candidate fits. "all"
        adds 118 that were chosen among several with the help of the *label*, so
        scores on them can be a little too good.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    Bunch
        - data : ModalityDict with `smiles`, text of shape (n,), and `descriptors`,
          a DataFrame of floats of shape (n, 41)
        - target : ndarray of shape (n,), dtype object, "RB" or "NRB"
        - target_names : list of str, sorted as ``classes_`` are
        - feature_names : list of the 41 descriptors
        - frame : DataFrame of shape (n, 44): `smiles`, the descriptors, `class` and
          `smiles_match`
        - DESCR : str, source, credit, meaning of the columns, what was verified
        - filename : str, the bundled file

        or the pair of the first two if `return_X_y`.

    Raises
    ------
    ValueError
        If `match` is none of the choices.

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
