"""What is worth trying of an estimator's parameters, and how a search asks it."""

from scipy.stats import loguniform

from skmm._params import NestedParams
from skmm.base.blocks_to_search import fusions, heads, of_part, with_present
from skmm.base.problem import to_rows
from skmm.data import check_modalities

LR = (5e-5, 1e-2)  # of Adam and its kin; the thesis has 6e-5 and 1e-4
LR_OF_SGD = (1e-3, 0.3)
WEIGHT_DECAY = (1e-6, 1e-2)
DECOUPLED = (1e-5, 1e-1)  # of AdamW, which multiplies it by lr
BATCH_SIZES = (16, 32, 64, 128)


class Searchable(NestedParams):
    """Mixin: what to try of an estimator that trains nets."""

    def default_search_space(self):
        """What is worth trying: a dict for ``RandomizedSearchCV`` and the like.

        Returns
        -------
        dict of str to list or frozen distribution
            By names that ``set_params`` takes. Of `encoders`, those that are given and
            in use; where `fusion` or `head` is a name or None, whole Blocks.

        See Also
        --------
        skmm.model_selection.default_search_space : the same of a Pipeline.
        skmm.model_selection.ModalitySearchCV : searches it.

        Notes
        -----
        Learning rates go from 5e-5 to 1e-2, log-uniformly: with Adam the published nets
        have 6e-5 to 1e-3. L2 penalties go from 1e-6, which is none, to 1e-2; batches
        from 16 to 128 rows. Rates by part are left as they are. The number of epochs
        is no part: early stopping finds it at less cost.
        """
        space = self._training_space()
        space |= self._fusion_space()
        if getattr(self, "head", 0) is None:
            space["head"] = heads()
        else:
            space |= of_part(getattr(self, "head", None), "head")
        return space | self._parts_space("encoders")

    def _training_space(self):
        """Numbers of training: rates and batches."""
        space = {}
        low, high = LR_OF_SGD if self.optimizer == "sgd" else LR
        if not isinstance(self.lr, dict):
            space["lr"] = loguniform(min(low, self.lr), max(high, self.lr))
        if not isinstance(self.weight_decay, dict):
            adamw = self.optimizer == "adamw"
            space["weight_decay"] = loguniform(*(DECOUPLED if adamw else WEIGHT_DECAY))
        return space | {"batch_size": with_present(self.batch_size, BATCH_SIZES)}

    def _fusion_space(self):
        fusion = getattr(self, "fusion", None)
        if self.modalities is not None and len(self.modalities) < 2:
            return {}
        if isinstance(fusion, str):
            return {"fusion": fusions(fusion)}
        return of_part(fusion, "fusion")

    def _parts_space(self, outer):
        """Of the parts in a dict those in use; of one for all, its parameters."""
        parts = getattr(self, outer)
        if not isinstance(parts, dict):
            return of_part(parts, outer)
        used = None if self.modalities is None else {str(n) for n in self.modalities}
        space = {}
        for name, part in parts.items():
            if outer != "encoders" or used is None or str(name) in used:
                space |= of_part(part, f"{outer}__{name}")
        return space


class SearchableNet(Searchable):
    """Mixin: `Searchable`, for an estimator that holds one net."""

    def held_out(self, net, X, y):
        """Rows and target that a fit does not see, as the net in training reads them.

        Parameters
        ----------
        net : TensorNet
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n, ...) or None

        Returns
        -------
        (TensorRows, Tensor)
        """
        X = check_modalities(X, self, reset=False)
        target = self._target.encode(self._target.read(y))
        return to_rows(X, net.module_, net.device), target.to(net.device)


def search_space_of(estimator):
    """Search space of an estimator, or of the outermost inside it that have one.

    Parameters
    ----------
    estimator : estimator
        Of skmm, or a Pipeline or meta-estimator that holds one.

    Returns
    -------
    dict of str to list or frozen distribution
    """
    if hasattr(estimator, "default_search_space"):
        return estimator.default_search_space()
    params = getattr(estimator, "get_params", dict)()
    known = [key for key, v in params.items() if hasattr(v, "default_search_space")]
    space = {}
    for key in known:
        if not any(key.startswith(f"{other}__") for other in known):
            inner = params[key].default_search_space()
            space |= {f"{key}__{name}": values for name, values in inner.items()}
    return space
