"""Modalities and their products, each with an interpretable weight.

=============  ======================================  =============  ================
fusion         formula                                 parameters     a missing
                                                                      modality
=============  ======================================  =============  ================
LpNormFusion   [z_I for each set I of at most k        none, or one   zeros in all
               modalities], z_I their normalised       linear map     blocks that
               outer product                           each           contain it
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
    r"""Sum of modalities and interactions with weights under an lp-norm constraint.

    .. math:: \min \sum_i \ell\Bigl(y_i, \sum_I \sqrt{\beta_I} \langle w_I, z_I \rangle
        + b\Bigr) + \Lambda \sum_I \lVert w_I \rVert^2, \qquad
        \beta \ge 0, \lVert \beta \rVert_p \le 1

    The fitted attribute `modality_weights_` of an estimator with one net and one fusion
    (``FusionClassifier``, ``FusionRegressor``, ``GradientBlendingClassifier``) has the
    weight β of each block and its share of the variance of the outputs. Each of several
    nets, such as those of ``ResidualFusionClassifier``, only weighs its own blocks; see
    `contributions` for what each net adds.

    Parameters
    ----------
    p : float, default=1.0
        Order of the norm, at least 1. With 1 few blocks have non-zero weight; infinity
        gives all blocks equal weight.
    strength : float, default=0.01
        Λ, the strength of the penalty. The penalty on the other layers is the
        estimator's `weight_decay`.
    interactions : int, default=1
        Largest number of modalities in a block: 1 is single modalities only, 2 adds all
        pairs. It is reduced to the number of modalities.
    normalize : bool, default=True
        Whether to apply batch normalisation to every embedding before, and to every
        block after the products. Without it, a nearly constant modality scales its
        products, which then take the weight of the other modality.
    width : int or None, default=None
        Width to which each modality is linearly mapped first, since products of wide
        embeddings are large; None adds no maps.
    solver : {"profile", "alternating", "projected"}, default="profile"
        See `LpNormHead`; all have the same solution.
    max_features : int, default=2**18
        Largest allowed sum of the widths of all blocks.

    Raises
    ------
    ValueError
        In ``build``, if the blocks would be wider than `max_features`; in ``fit``, if
        the estimator has another head.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch, sum
    of the widths of the blocks). The fusion brings its own head, `LpNormHead`; leave
    ``head=None``. Predictions use running statistics, which need about fifty
    mini-batches of training, or more if embeddings are far from zero. Weights are
    relative: they sum to one even if the penalty or the data shrink all blocks to zero.

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
        """Create the norms for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        widths = [self.width or d for d in in_shape.values()]
        orders = range(1, min(self.interactions, len(self.names)) + 1)
        indices = range(len(self.names))
        self.blocks = [block for k in orders for block in combinations(indices, k)]
        self.sizes = [math.prod(widths[m] for m in block) for block in self.blocks]
        self._check_size(in_shape)
        self.out_features = sum(self.sizes)
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

    def _check_size(self, in_shape):
        if (total := sum(self.sizes)) > self.max_features:
            raise ValueError(
                f"LpNormFusion(interactions={self.interactions}) of embeddings of "
                f"widths {dict(in_shape)} would be {total:,} wide, more than "
                f"max_features={self.max_features:,}. Set a smaller width=, such as "
                "width=8."
            )

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
        """Return an `LpNormHead` for the blocks of this fusion."""
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
        """Blocks with a total variance of one each."""
        masks = [None] * len(columns) if present is None else present.unbind(-1)
        norms = zip(self.inputs, columns, masks, strict=True)
        columns = [norm(column, mask) for norm, column, mask in norms]
        blocks = []
        for block, norm in zip(self.blocks, self.norms, strict=True):
            complete = None if present is None else present[:, list(block)].all(1)
            parts = [columns[m] for m in block]
            blocks.append(norm(parts[0] if len(block) == 1 else parts, complete))
        return blocks


def _product(columns):
    """Outer product (batch, product of widths), flattened."""
    result = columns[0]
    for column in columns[1:]:
        result = (result[:, :, None] * column[:, None, :]).flatten(1)
    return result
