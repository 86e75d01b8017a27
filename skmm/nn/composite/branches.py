"""Several nets, each with its own encoders of some of the modalities."""

from itertools import accumulate, pairwise

import torch
from torch import nn

from skmm.nn.block import Block
from skmm.nn.modality_module import ModalityModule
from skmm.nn.shape_inference import check_plain


class Branches(ModalityModule):
    """Base class of several nets, each of which reads some of the modalities.

    A subclass defines ``mask(index, present)`` and `forward`.

    Parameters
    ----------
    branches : dict of tuple of str to MultimodalModule
        By the modalities that each reads; every modality is in at least one.
    names : list of str
        All modalities, in the order of the mask's columns.
    kinds : list of str
        Kind of each branch; "order1" and ``("a",)`` give the part "order1__a".

    Notes
    -----
    The embedding of a modality is the concatenation of its embeddings in all branches.
    """

    def __init__(self, branches, names, kinds):
        super().__init__()
        for branch in branches.values():
            check_plain(branch, "a sum or choice of branches")
        self.members = list(branches)
        self.branches = nn.ModuleList(branches.values())
        self.names = list(names)
        self.kinds = list(kinds)
        self.columns = [[self.names.index(n) for n in mine] for mine in self.members]
        self.places = [{} for _ in self.members]
        for name in self.names:
            self._place(name)

    def _place(self, name):
        """Set the columns of each branch in the embedding of a modality."""
        readers = [i for i, mine in enumerate(self.members) if name in mine]
        widths = [self.branches[i].widths[name] for i in readers]
        bounds = pairwise([0, *accumulate(widths)])
        for i, (start, stop) in zip(readers, bounds, strict=True):
            self.places[i][name] = slice(start, stop)

    @property
    def encoders(self):
        """Encoder of each modality in the first branch that reads it."""
        first = {name: self._readers(name)[0] for name in self.names}
        return {name: branch.encoders[name] for name, branch in first.items()}

    @property
    def in_dtypes(self):
        """Dtype that the encoders of each modality read."""
        return {n: getattr(e, "in_dtype", None) for n, e in self.encoders.items()}

    @property
    def text_readers(self):
        """Blocks among the encoders, by modality."""
        return {n: e for n, e in self.encoders.items() if isinstance(e, Block)}

    def _readers(self, name):
        pairs = zip(self.members, self.branches, strict=True)
        return [branch for mine, branch in pairs if name in mine]

    @property
    def fused_features(self):
        """Width of the fused embeddings of all branches."""
        return sum(branch.fused_features for branch in self.branches)

    def parts(self):
        """Branches by the names that training uses."""
        trios = zip(self.kinds, self.members, self.branches, strict=True)
        return {f"{kind}__{joined(mine)}": branch for kind, mine, branch in trios}

    def inputs(self, index, x, present=None, encoded=()):
        """Arguments of a branch: inputs, mask, and names of given embeddings."""
        rows = {
            name: x[name][..., place] if name in encoded else x[name]
            for name, place in self.places[index].items()
        }
        rows = {name: rows[name] for name in self.members[index]}
        mask = None if present is None else self.mask(index, present)
        return rows, mask, [name for name in rows if name in encoded]

    def fuse(self, x, present=None, encoded=()):
        """Fused embeddings of all branches, concatenated, (batch, fused_features)."""
        given = (x, present, encoded)
        parts = enumerate(self.branches)
        return torch.cat([part.fuse(*self.inputs(i, *given)) for i, part in parts], -1)

    def encode(self, x, present=None, encoded=()):
        """Embeddings by modality, ``{name: (batch, ...)}``.

        They do not depend on whether the other modalities of a branch are missing.
        """
        found = {name: [] for name in self.names}
        for i, branch in enumerate(self.branches):
            rows, _, known = self.inputs(i, x, encoded=encoded)
            mask = None if present is None else present[:, self.columns[i]]
            for name, part in branch.encode(rows, mask, known).items():
                found[name].append(part)
        return {name: torch.cat(parts, -1) for name, parts in found.items()}


def joined(names):
    """Join names to a text that differs for any other names."""
    return "+".join(name.replace("%", "%25").replace("+", "%2B") for name in names)


def learns(part):
    """Whether any weight of a module requires gradients."""
    return any(p.requires_grad for p in part.parameters())


class SummedBranches(Branches):
    """Branches whose outputs are the terms of a sum; an untrained branch gives zeros.

    The term of a branch is zero where one of its modalities is missing. If all
    modalities of a sample are missing, branches of one modality predict from zero
    embeddings.

    Parameters
    ----------
    branches, names, kinds
        See `Branches`.
    """

    gives = ("terms",)

    def __init__(self, branches, names, kinds):
        super().__init__(branches, names, kinds)
        self.register_buffer("trained", torch.zeros(len(self.members), dtype=bool))

    def mask(self, index, present):
        """Whether all modalities of a branch are present, repeated to (batch, m)."""
        columns = self.columns[index]
        complete = present[:, columns].all(-1, keepdim=True)
        return complete.expand(-1, len(columns))

    def forward(self, x, present=None, encoded=()):
        """Outputs of all branches, ``{"terms": (batch, branches, outputs)}``."""
        if self.training:
            self._note_trained()
        terms = [
            self._term(i, trained, x, present, encoded)
            for i, trained in enumerate(self.trained.tolist())
        ]
        return {"terms": torch.stack(terms, 1)}

    def _note_trained(self):
        for i, branch in enumerate(self.branches):
            if learns(branch):
                self.trained[i] = True

    def _term(self, index, trained, x, present, encoded):
        branch = self.branches[index]
        if not trained:
            first = x[self.members[index][0]]
            options = {"dtype": torch.float32, "device": first.device}
            return torch.zeros(len(first), branch.head.out_features, **options)
        rows, mask, known = self.inputs(index, x, present, encoded)
        term = branch(rows, mask, known)
        if mask is None:
            return term
        counts = mask[:, :1]
        if len(self.members[index]) == 1:
            counts = counts | ~present.any(-1, keepdim=True)
        return term.masked_fill(~counts, 0.0)
