"""Blocks of modalities and of their products, each with a weight that means something.

=============  ======================================  =============  ================
fusion         formula                                 parameters     a missing
                                                                      modality
=============  ======================================  =============  ================
LpNormFusion   [z_I for each set I of at most k        none, or one   zeros in all its
               modalities], z_I their outer product,   linear map     blocks
               normalised                              each
=============  ======================================  =============  ================
"""

import math
from itertools import combinations
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.data.validation import check_labels
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import columns_of
from skmm.nn.heads.lp_norm import LpNormHead
from skmm.nn.norms import FeatureBatchNorm, IterativeBatchNorm, VectorBatchNorm

__all__ = ["LpNormFusion"]


class LpNormFusion(Block):
    r"""Predict by a sum of modalities and interactions whose weights are under a norm.

    .. math:: \min \sum_i \ell\Bigl(y_i, \sum_I \sqrt{\beta_I} \langle w_I, z_I \rangle
        + b\Bigr) + \Lambda \sum_I \lVert w_I \rVert^2, \qquad
        \beta \ge 0, \lVert \beta \rVert_p \le 1

    After ``fit`` the estimator has `modality_weights_`, the β, beside each block's
    share of the outputs' variance, if it has one net with one fusion, as
    ``FusionClassifier``, ``FusionRegressor`` and ``GradientBlendingClassifier`` have.
    Of several nets, as ``ResidualFusionClassifier`` has, each weighs its own blocks
    only: `contributions` says there what each adds.

    Parameters
    ----------
    p : float, default=1.0
        1 or more. With 1 few blocks have weight; infinity weighs all alike.
    strength : float, default=0.01
        Λ. Of the lower layers' weights it is the estimator's `weight_decay`.
    interactions : int, default=1
        The largest number of modalities in a block: 1 is the modalities alone, 2 adds
        all pairs. Of fewer modalities it is their number.
    normalize : bool, default=True
        Batch normalisation of every embedding before, and of every block after the
        products. Without it, a modality that is nearly constant lends its scale to
        the product, which then takes the weight of the other one.
    width : int or None, default=None
        An integer first maps each modality linearly to that width: products of wide
        embeddings are large.
    solver : {"profile", "alternating", "projected"}, default="profile"
        As for `LpNormHead`; all have one solution.
    max_features : int, default=2**18
        The widest sum of blocks that is allowed.

    Raises
    ------
    ValueError
        In ``build``, if the blocks would be wider than `max_features`; if the estimator
        has a head of its own.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch, sum
    of the blocks' widths). It brings its own head, `LpNormHead`: leave ``head=None``.
    Predictions use running statistics of training, for which some fifty batches are
    needed, more if embeddings are far from zero. Weights compare blocks: where the
    penalty, or the data, leave nothing of any block, they still sum to one.

    References
    ----------
    Varshneya et al., "InTense", IJCAI 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.nn import Flatten, LpNormFusion
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(200, 3)), "b": rng.normal(size=(200, 3))}
    >>> y = X["a"].sum(1) > 0
    >>> model = FusionClassifier(
    ...     Flatten(), fusion=LpNormFusion(strength=0.1), lr=0.01, random_state=0
    ... ).fit(X, y)
    >>> model.modality_weights_["weight"].round(1).to_dict()
    {'a': 1.0, 'b': 0.0}
    """

    brings_head = True

    _parameter_constraints = {
        "p": [Interval(Real, 1, None, closed="both")],
        "strength": [Interval(Real, 0, None, closed="left")],
        "interactions": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "solver": [StrOptions({"profile", "alternating", "projected"})],
        "max_features": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        p=1.0,
        strength=0.01,
        interactions=1,
        normalize=True,
        *,
        width=None,
        solver="profile",
        max_features=2**18,
    ):
        super().__init__()
        self.p = p
        self.strength = strength
        self.interactions = interactions
        self.normalize = normalize
        self.width = width
        self.solver = solver
        self.max_features = max_features

    def build(self, in_shape):
        """Make the norms for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        widths = [self.width or d for d in in_shape.values()]
        orders = range(1, min(self.interactions, len(self.names)) + 1)
        indices = range(len(self.names))
        self.blocks = [block for k in orders for block in combinations(indices, k)]
        self.sizes = [math.prod(widths[m] for m in block) for block in self.blocks]
        self.out_features = self._allowed(sum(self.sizes), in_shape)
        check_labels(self._labels(), "blocks")
        maps = {
            name: nn.Linear(d, self.width, bias=False) if self.width else nn.Identity()
            for name, d in in_shape.items()
        }
        self.maps = PerModality(maps)
        self._make_norms(widths)
        return self

    def _labels(self):
        return [" x ".join(self.names[m] for m in block) for block in self.blocks]

    def _allowed(self, total, in_shape):
        if total > self.max_features:
            raise ValueError(
                f"LpNormFusion(interactions={self.interactions}) of embeddings of "
                f"widths {dict(in_shape)} would be {total:,} wide, more than "
                f"max_features={self.max_features:,}. Set width= to a small number, as "
                "width=8."
            )
        return total

    def _make_norms(self, widths):
        if not self.normalize:
            return
        self.inputs = nn.ModuleList(FeatureBatchNorm(d) for d in widths)
        self.norms = nn.ModuleList(
            VectorBatchNorm(size)
            if len(block) == 1
            else IterativeBatchNorm(tuple(widths[m] for m in block))
            for block, size in zip(self.blocks, self.sizes, strict=True)
        )

    def own_head(self):
        """The head that knows where the blocks are."""
        return LpNormHead(
            tuple(self._labels()),
            tuple(self.sizes),
            p=self.p,
            strength=self.strength,
            solver=self.solver,
        )

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        maps = [self.maps[name] for name in self.names]
        columns = [map_(column) for map_, column in zip(maps, columns, strict=True)]
        if not self.normalize:
            products = [_product([columns[m] for m in block]) for block in self.blocks]
            return torch.cat(products, 1)
        return torch.cat(self._normalized(columns, present), 1)

    def _normalized(self, columns, present):
        """Blocks, each of total variance one."""
        masks = [None] * len(columns) if present is None else present.unbind(-1)
        norms = zip(self.inputs, columns, masks, strict=True)
        columns = [norm(column, mask) for norm, column, mask in norms]
        found = []
        for block, norm in zip(self.blocks, self.norms, strict=True):
            there = None if present is None else present[:, list(block)].all(1)
            some = [columns[m] for m in block]
            found.append(norm(some[0] if len(block) == 1 else some, there))
        return found


def _product(columns):
    """Outer product (batch, product of widths), flattened."""
    result = columns[0]
    for column in columns[1:]:
        result = (result[:, :, None] * column[:, None, :]).flatten(1)
    return result
