"""Cell handles: how a ModalityDict passes through code that expects a 2-D array.

scikit-learn's Bagging, AdaBoost, SequentialFeatureSelector and
permutation_importance turn X into an array and shuffle, drop or repeat its rows and
columns. ``np.asarray(ModalityDict)`` is therefore an object array of handles of shape
(n_rows, n_modalities); each points to (owner, modality, row), and the container is
rebuilt from them.
"""

import numpy as np

from skmm.data import leaves


def advice(name):
    """Return advice for a step that expects numbers but got a ModalityDict."""
    return (
        "This step expects a single numeric table, but X is a ModalityDict. Pass one "
        f"modality, X[{name!r}]; in a Pipeline, put "
        f"FunctionTransformer(operator.itemgetter({name!r})) in front of it. To use "
        "all modalities, take a multimodal model such as skmm.FusionClassifier, or "
        "wrap this estimator in skmm.LateFusionClassifier. (argument must be a string "
        "or a number)"
    )


class Cell:
    """One row of one modality: a reference into the container that owns it."""

    __slots__ = ("name", "owner", "row")

    def __init__(self, owner, name, row):
        self.owner = owner
        self.name = name
        self.row = row

    @property
    def value(self):
        """The row that this handle points to."""
        return leaves.row(self.owner[self.name], self.row)

    def __float__(self):
        raise TypeError(
            f"a cell of modality {self.name!r} is not a number. {advice(self.name)}"
        )

    def __repr__(self):
        return f"<{self.name}[{self.row}]>"

    def __reduce__(self):
        """Pickle this row only, without the other rows of its owner."""
        one = self.owner.select([self.name])[[self.row]]
        return Cell, (one, self.name, 0)


def is_cells(array):
    """Whether `array` is a 2-D object array of cell handles."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype == object
        and array.ndim == 2
        and array.size > 0
        and isinstance(array.flat[0], Cell)
    )


def to_cells(X):
    """Object array (n_rows, n_modalities) of handles to the cells of a ModalityDict."""
    out = np.empty(X.shape, dtype=object)
    for column, name in enumerate(X):
        for row in range(len(X)):
            out[row, column] = Cell(X, name, row)
    return out


def from_cells(array):
    """Return the leaves and masks that an array of handles refers to."""
    columns = [_column(array[:, j], j) for j in range(array.shape[1])]
    names = [name for name, _, _ in columns]
    if len(set(names)) < len(names):
        raise ValueError(f"modality columns are repeated: {names}.")
    return (
        {name: leaf for name, leaf, _ in columns},
        {name: mask for name, _, mask in columns},
    )


def _column(cells, j):
    names = {getattr(cell, "name", None) for cell in cells}
    if len(names) > 1 or None in names:
        raise ValueError(
            f"column {j} mixes modalities or other values ({sorted(map(str, names))}); "
            "rows may be shuffled and repeated, columns must not be mixed."
        )
    name = names.pop()
    leaf, mask = _gather(cells, name)
    return name, leaf, mask


def _gather(cells, name):
    """Take the rows of each owner at once, then restore the order of `cells`."""
    owners, order, parts, masks = _by_owner(cells), [], [], []
    for owner, places, rows in owners:
        parts.append(leaves.take(owner[name], rows))
        masks.append(owner.present[name][rows])
        order.append(places)
    back = np.argsort(np.concatenate(order), kind="stable")
    leaf = parts[0] if len(parts) == 1 else leaves.stack(parts, name)
    return leaves.take(leaf, back), np.concatenate(masks)[back]


def _by_owner(cells):
    groups = {}
    for place, cell in enumerate(cells):
        _, places, rows = groups.setdefault(id(cell.owner), (cell.owner, [], []))
        places.append(place)
        rows.append(cell.row)
    return [
        (owner, np.array(places), np.array(rows))
        for owner, places, rows in groups.values()
    ]
