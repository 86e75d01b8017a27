"""A fusion that merges several subsets of the modalities.

==============  =========================================  ==========  =============
fusion          formula                                    parameters  a missing
                                                                       modality
==============  =========================================  ==========  =============
MixtureFusion   u_c = sum, mean or concatenation of h_m    none        mixtures with
                over the modalities m of mixture c                     it are not
                                                                       available
==============  =========================================  ==========  =============

In the table h_m is the embedding of modality m; ``width=`` adds a linear map to each.
"""

import functools
from itertools import combinations
from numbers import Integral

import torch

from skmm._sklearn import Interval, StrOptions
from skmm.data.validation import check_names
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import equal_widths

__all__ = ["MixtureFusion"]

MOST = 6  # modalities of which all subsets are taken by default


class MixtureFusion(Block):
    r"""Merge the embeddings of several subsets of the modalities.

    .. math:: u_c = \sum_{m \in c} h_m

    A mixture is available if all its modalities are present. `MixtureHead` predicts
    from each mixture.

    Parameters
    ----------
    mixtures : "all", "singletons", "full" or list of tuple of str, default="all"
        Subsets: all :math:`2^M - 1`, each of the M modalities alone, one of all
        modalities, or a list of subsets.
    max_order : int or None, default=None
        With "all": maximum number of modalities in a subset.
    merge : {"sum", "mean", "concat"}, default="sum"
        How the embeddings of the modalities of a mixture are merged.
    width : int or "auto", default="auto"
        An integer adds one linear map per modality to that width. "auto" does so only
        for "sum" and "mean" of embeddings of different widths, to the largest width.

    Attributes
    ----------
    mixtures_ : list of tuple of str
        The subsets, smaller ones first, else in the order of the modalities.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool; returns
    ``{"mixtures": (batch, C, d), "available": (batch, C)}``. "concat" has zeros in the
    columns of other modalities. If no mixture is complete in a sample, all of them use
    the modalities that are present. Liu et al., "Learn to Combine Modalities in
    Multimodal Deep Learning", 2018, eq. 11.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MixtureFusion
    >>> fuse = MixtureFusion().build({"a": 1, "b": 1})
    >>> fuse.mixtures_
    [('a',), ('b',), ('a', 'b')]
    >>> fused = fuse({"a": torch.tensor([[2.0]]), "b": torch.tensor([[3.0]])})
    >>> fused["mixtures"].flatten(), fused["available"]
    (tensor([2., 3., 5.]), tensor([[True, True, True]]))
    """

    stackable = True
    gives = ("mixtures", "available")

    _parameter_constraints = {
        "mixtures": [StrOptions({"all", "singletons", "full"}), list, tuple],
        "max_order": [Interval(Integral, 1, None, closed="left"), None],
        "merge": [StrOptions({"sum", "mean", "concat"})],
        "width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(self, mixtures="all", *, max_order=None, merge="sum", width="auto"):
        super().__init__()
        self.mixtures = mixtures
        self.max_order = max_order
        self.merge = merge
        self.width = width

    def build(self, in_shape):
        """Choose the mixtures of ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        self.mixtures_ = choose_mixtures(self.mixtures, self.names, self.max_order)
        self.to_width, self.widths = self._maps(in_shape)
        self.members = [[n in mix for n in self.names] for mix in self.mixtures_]
        width = sum(self.widths) if self.merge == "concat" else self.widths[0]
        self.out_features = len(self.mixtures_) * width
        return self

    def _maps(self, widths):
        """One map per modality, and the widths of what they return."""
        free = self.merge == "concat" or len(set(widths.values())) == 1
        if self.width == "auto" and free:
            maps = {name: torch.nn.Identity() for name in widths}
            return PerModality(maps), list(widths.values())
        width = max(widths.values()) if self.width == "auto" else self.width
        return equal_widths(self, widths, width)[0], [width] * len(widths)

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to mixtures (batch, C, d)."""
        columns = [self.to_width[name](parts[name]) for name in self.names]
        if present is not None:
            masks = zip(columns, present.unbind(-1), strict=True)
            columns = [part.masked_fill(~mask[..., None], 0.0) for part, mask in masks]
        merged = self._merged(dict(zip(self.names, columns, strict=True)), present)
        available = self._available(present, columns[0])
        return {"mixtures": torch.stack(merged, -2), "available": available}

    def _merged(self, parts, present):
        """Embeddings of the mixtures, C of (..., batch, d)."""
        if self.merge == "concat":
            nothing = {name: torch.zeros_like(part) for name, part in parts.items()}
            chosen = [
                parts | {n: nothing[n] for n in parts if n not in mix}
                for mix in self.mixtures_
            ]
            return [torch.cat([*mixture.values()], -1) for mixture in chosen]
        sums = {}
        for mix in self.mixtures_:  # most are a smaller mixture plus one modality
            known = sums.get(mix[:-1])
            sums[mix] = _sum(parts, mix) if known is None else known + parts[mix[-1]]
        if self.merge == "mean":
            return [sums[mix] / self._count(mix, present) for mix in sums]
        return list(sums.values())

    def _count(self, mix, present):
        """Number of modalities of a mixture that are present, at least one."""
        if present is None:
            return len(mix)
        columns = [self.names.index(name) for name in mix]
        return present[..., columns].sum(-1, keepdim=True).clamp(min=1)

    def _available(self, present, like):
        """Which mixtures are available; (..., batch, C)."""
        if present is None:
            shape = *like.shape[:-1], len(self.mixtures_)
            return like.new_ones(shape, dtype=torch.bool)
        needed = torch.tensor(self.members, device=present.device)
        complete = (present[..., None, :] | ~needed).all(-1)
        return complete | ~complete.any(-1, keepdim=True)


def _sum(parts, mix):
    return functools.reduce(torch.add, [parts[name] for name in mix])


def choose_mixtures(mixtures, names, max_order=None):
    """Return the subsets of modalities that `mixtures` stands for.

    Parameters
    ----------
    mixtures : "all", "singletons", "full" or list of tuple of str
    names : list of str
        All modalities.
    max_order : int or None, default=None
        With "all": maximum number of modalities in a subset.

    Returns
    -------
    list of tuple of str

    Raises
    ------
    ValueError
        If a name is unknown, a modality is not in any subset, a subset is empty or
        repeated, `max_order` is set without "all", or there are more than 6 modalities
        without `max_order`.

    Examples
    --------
    >>> from skmm.nn.fusion.mixtures import choose_mixtures
    >>> choose_mixtures([("b", "a"), ("b",)], ["a", "b"])
    [('b',), ('a', 'b')]
    """
    if max_order is not None and not (isinstance(mixtures, str) and mixtures == "all"):
        raise ValueError(
            f"max_order={max_order} is only used when mixtures='all'; got "
            f"mixtures={mixtures!r}."
        )
    if not isinstance(mixtures, str):
        return _named(mixtures, names)
    if mixtures == "all" and max_order is None and len(names) > MOST:
        raise ValueError(
            f"{len(names)} modalities have {2 ** len(names) - 1} mixtures, each with "
            "its own head. Limit the number of modalities in a mixture, such as "
            "max_order=2, or list the mixtures."
        )
    orders = {"singletons": [1], "full": [len(names)]}
    every = range(1, min(max_order or len(names), len(names)) + 1)
    chosen = orders.get(mixtures, every)
    return [mix for order in chosen for mix in combinations(names, order)]


def _named(mixtures, names):
    """Return the checked subsets, in the order of "all"."""
    subsets = [names_of(mix) for mix in mixtures]
    if not subsets or not all(subsets):
        raise ValueError(
            f"mixtures must be a list of non-empty subsets of the modalities {names}; "
            f"got {mixtures!r}."
        )
    check_names([name for subset in subsets for name in subset], names, "mixtures")
    ordered = [tuple(name for name in names if name in subset) for subset in subsets]
    if len(set(ordered)) < len(ordered):
        twice = next(mix for mix in ordered if ordered.count(mix) > 1)
        raise ValueError(f"mixtures names {twice} twice.")
    if unused := [name for name in names if not any(name in mix for mix in ordered)]:
        raise ValueError(
            f"none of the mixtures has {unused}, whose encoders would not be trained. "
            "Add a mixture, or leave them out of `modalities`."
        )
    return sorted(ordered, key=lambda mix: (len(mix), [names.index(n) for n in mix]))


def names_of(mixture):
    """Return a name or several names as a set."""
    several = isinstance(mixture, (tuple, list, set, frozenset))
    return frozenset(str(name) for name in (mixture if several else [mixture]))
