"""Which sets of modalities are compared, and controls that cannot help."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skmm._random import derive
from skmm.base import restrict, takes_modalities
from skmm.data.recombine import recombined
from skmm.data.validation import check_names
from skmm.preprocessing import NoiseModality

MOST = 6  # modalities of which all subsets are taken


@dataclass(frozen=True)
class Subset:
    """Modalities that a model sees, one of which may have been made useless.

    Attributes
    ----------
    names : tuple of str
    control : str or None
        "noise" or "permuted".
    spoilt : str or None
        The modality that it replaces.
    """

    names: tuple
    control: str | None = None
    spoilt: str | None = None

    def __str__(self):
        shown = {self.spoilt: f"{self.control}({self.spoilt})"}
        return " + ".join(shown.get(name, name) for name in self.names)

    def view(self, X, seed):
        """The rows as a model of this subset sees them."""
        X = X.select(list(self.names))
        if self.control is None:
            return X
        name, present = self.spoilt, X.present[self.spoilt]
        seed = derive(seed, self.control, name) % 2**32
        if self.control == "permuted":  # who lacks it goes with the rest of the row
            order = np.random.default_rng(seed).permutation(len(X))
            return recombined(X, {name: order})
        leaf = self._noise(X[name], seed)
        return X.assign({name: leaf}).with_missing(name, np.flatnonzero(~present))

    def _noise(self, leaf, seed):
        """Noise of the shape, and the columns, of a leaf."""
        values = leaf.toarray() if issparse(leaf) else np.asarray(leaf)
        values = values[:, None] if values.ndim == 1 else values
        try:
            noise = NoiseModality(random_state=seed).fit_transform(values)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"modality {self.spoilt!r} is not of numbers, so noise cannot stand "
                "for it: use controls='permuted'."
            ) from error
        if isinstance(leaf, pd.DataFrame):
            return pd.DataFrame(noise, leaf.index, leaf.columns)
        return noise

    def model(self, estimator):
        """The estimator, unfitted, for these modalities."""
        if takes_modalities(estimator):
            return restrict(estimator, list(self.names))
        return estimator


def choose_subsets(subsets, names, controls=None):
    """Return the subsets to compare; the last without control has all modalities.

    Parameters
    ----------
    subsets : "singles+all", "all" or list of tuple of str
    names : list of str
    controls : "noise", "permuted" or None
        All modalities, with each in turn made useless.
    """
    if len(names) < 2:
        raise ValueError(
            f"compare_modalities needs two or more modalities; X has {list(names)}."
        )
    chosen = [Subset(mix) for mix in _mixtures(subsets, list(names))]
    if controls is not None:
        chosen += [Subset(tuple(names), controls, name) for name in names]
    if len({str(subset) for subset in chosen}) < len(chosen):
        raise ValueError(
            f"modalities {list(names)}: two subsets would have one name, as names are "
            "joined by ' + '. Rename the modality that has it in its name."
        )
    return chosen


def _mixtures(subsets, names):
    """Tuples of names: every single, those asked for, and all of them."""
    if isinstance(subsets, str) and subsets == "all":
        return _all_of(names)
    if isinstance(subsets, str) and subsets != "singles+all":
        raise ValueError(
            f"subsets={subsets!r} is not known; choose 'singles+all', 'all', or list "
            "tuples of modalities."
        )
    listed = [] if isinstance(subsets, str) else subsets
    listed = [[mix] if isinstance(mix, str) else list(mix) for mix in listed]
    if not all(listed):
        raise ValueError(f"subsets has an empty one: {list(subsets)}.")
    check_names([name for mix in listed for name in mix], names, "subsets")
    wanted = {frozenset(mix) for mix in [*listed, names, *([n] for n in names)]}
    ordered = [tuple(name for name in names if name in mix) for mix in wanted]
    return sorted(ordered, key=lambda mix: (len(mix), [names.index(n) for n in mix]))


def _all_of(names):
    if len(names) > MOST:
        raise ValueError(
            f"{len(names)} modalities have {2 ** len(names) - 1} subsets; list those "
            f"of interest. subsets='all' is for up to {MOST}."
        )
    orders = range(1, len(names) + 1)
    return [mix for order in orders for mix in combinations(names, order)]
