"""What is worth trying of an estimator's parameters, and how a search asks it."""

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.base import clone

from skmm import nn as blocks
from skmm._params import NestedParams
from skmm._resolver import resolve
from skmm.base.training_data import to_rows
from skmm.data import check_modalities
from skmm.data.tensors import to_device
from skmm.nn import Block
from skmm.targets.classes import ClassTarget, read_labels

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
        if getattr(self, "head", 0) is None and not self._brings_head():
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
        if isinstance(fusion, str) and not self._brings_head():
            return {"fusion": fusions(fusion)}
        return of_part(fusion, "fusion")

    def _brings_head(self):
        """Whether the fusion has a head of its own, which suits no other fusion."""
        fusion = resolve(getattr(self, "fusion", None), blocks.fusion, "Fusion")
        return getattr(fusion, "brings_head", False)

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

        Rows of classes that it is not trained on are left out.

        Parameters
        ----------
        net : TensorNet
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n, ...) or None

        Returns
        -------
        (TensorRows, Tensor) or None
            None if no row is left.
        """
        X = check_modalities(X, self, reset=False)
        X, y = _of_known_classes(X, y, self._target)
        if X is None:
            return None
        target = self._target.encode(self._target.read(y))
        return to_rows(X, net.module_, net.device), to_device(target, net.device)


def _of_known_classes(X, y, target):
    """Rows whose class the target knows; None and None if there are no such."""
    if not isinstance(target, ClassTarget) or target.multilabel:
        return X, y
    y = read_labels(y)
    known = np.flatnonzero(np.isin(y, target.classes_))
    return (X[known], y[known]) if len(known) else (None, None)


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


DROPOUT = (0.0, 0.6)
WIDTHS = (32, 64, 128)
TABLES = {
    "MLPEncoder": {"hidden": [(32,), (64,), (128,), (64, 64), (128, 64)]},
    "ConvEncoder": {"hidden": [(64,), (126,), (256,)]},
    "Conv1dEncoder": {"width": [*WIDTHS]},
    "LSTMEncoder": {"width": [*WIDTHS]},
    "Chemception": {"filters": [8, 16, 32]},
    "ConcatFusion": {"hidden": [(), (32,), (64,)]},
    "CrossAttentionFusion": {"width": [*WIDTHS]},
    "ExpertFusion": {"hidden": [(32,), (64,), (64, 64)]},
    "GatedFusion": {"width": [*WIDTHS]},
    "HierarchicalFusion": {"hidden": [(32,), (64, 64), (64, 64, 64)]},
    "HighwayFusion": {"layers": [1, 2, 3]},
    "LowRankTensorFusion": {"rank": [1, 2, 4, 8, 16], "width": [*WIDTHS]},
    "ModalityShiftFusion": {"beta": [0.25, 0.5, 1.0, 2.0]},
    "SelfAttentionFusion": {"width": [*WIDTHS]},
    "TensorFusion": {"width": [4, 8, 16]},
    "TransformerFusion": {"width": [*WIDTHS], "layers": [1, 2, 4]},
    "MLPHead": {"hidden": [(), (32,), (64,)]},
    "PatchTokens": {"width": [*WIDTHS]},
    "SequenceTokens": {"width": [*WIDTHS]},
    "MLPDecoder": {"hidden": [(), (64,), (128,)]},
}
DROPPING = {"MLPEncoder", "ConvEncoder", "LSTMEncoder", "MLPHead"}
DROPPING |= {"ExpertFusion", "ModalityShiftFusion", "TransformerFusion"}
FUSIONS = ("concat", "mean", "product", "attention", "gated")  # none is best for all


def of_part(part, prefix):
    """Search space of an encoder, fusion, head or decoder.

    Parameters
    ----------
    part : object
        What is no Block, or is built, has nothing to search.
    prefix : str
        Of the parameters' names, as "encoders__image".

    Returns
    -------
    dict of str to list or frozen distribution
    """
    if isinstance(part, type) or (isinstance(part, Block) and part.is_built):
        return {}
    if hasattr(part, "default_search_space"):
        space = part.default_search_space()
    else:
        space = _of_block(part) if isinstance(part, Block) else {}
    return {f"{prefix}__{name}": values for name, values in space.items()}


def _of_block(block):
    name, params = type(block).__name__, block.get_params(deep=False)
    table = TABLES.get(name, {})
    if isinstance(block, blocks.fusion.basic.EqualWidthFusion):
        table = {"width": [*WIDTHS]}  # None needs embeddings of one width
    space = {key: with_present(params[key], values) for key, values in table.items()}
    if name in DROPPING:
        low, high = DROPOUT
        space["dropout"] = uniform(low, max(high, params["dropout"]) - low)
    return space


def with_present(value, choices):
    """The choices, and first what the parameter is now."""
    value = tuple(value) if isinstance(value, list) else value
    absent = value is None or value in choices
    return list(choices) if absent else [value, *choices]


def fusions(named):
    """Whole fusions to choose from, with the one that is named now.

    Parameters
    ----------
    named : str
        As for the parameter `fusion`.
    """
    return [
        _with_width(resolve(name, blocks.fusion, "Fusion")) for name in _names(named)
    ]


def _names(named):
    return FUSIONS if named in FUSIONS else (named, *FUSIONS)


def _with_width(fusion):
    """Encoders of different widths are no obstacle to a fusion that has one."""
    if fusion.get_params().get("width", 0) is None:
        return clone(fusion).set_params(width=WIDTHS[1])
    return fusion


def heads():
    """Whole heads to choose from: none hidden, the default, and a wide one."""
    return [
        blocks.MLPHead(()),
        blocks.MLPHead(),
        blocks.MLPHead((64,), dropout=0.3),
    ]
