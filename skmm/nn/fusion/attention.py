"""A weighted sum whose weights depend on the sample.

In the table h_m is the embedding of modality m, d its width, M their number.

===============  =============================  ============  =====================
fusion           formula                        parameters    a missing modality
===============  =============================  ============  =====================
AttentionFusion  sum_m w_m h_m,                 M (d + 1)     weight zero; the
                 w = softmax_m(v_m h_m + b_m)                 others sum to one
===============  =============================  ============  =====================

Widths must be equal; ``width=`` adds one linear map (d_m + 1) d per modality.
"""

import torch
from torch import nn

from skmm.nn.block import PerModality
from skmm.nn.fusion.basic import EqualWidthFusion, fill_missing

__all__ = ["AttentionFusion"]


class AttentionFusion(EqualWidthFusion):
    r"""Sum of the embeddings with one softmax weight per sample and modality.

    .. math:: h = \sum_m w_m h_m, \qquad w = \mathrm{softmax}_m (v_m^\top h_m + b_m)

    Scores are initialised at zero, where the fusion is the mean.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d), ``present`` (batch, M) bool, result (batch, d). The
    weights of the present modalities sum to one; a sample without any gives zeros.

    References
    ----------
    "Add-Attend" of Table 5 in Liu et al., "Learn to Combine Modalities in Multimodal
    Deep Learning", 2018.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import AttentionFusion
    >>> fuse = AttentionFusion().build({"a": 2, "b": 2})
    >>> parts = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 5.0]])}
    >>> fuse(parts).detach(), fuse.weights(parts)
    (tensor([[2.0000, 3.5000]]), tensor([[0.5000, 0.5000]]))
    >>> fuse.weights(parts, present=torch.tensor([[True, False]]))
    tensor([[1., 0.]])
    """

    stackable = True

    def build(self, in_shape):
        """Create the scores for ``in_shape = {modality: width}``."""
        super().build(in_shape)
        self.scores = PerModality({name: self._score() for name in self.names})
        return self

    def _score(self):
        score = nn.Linear(self.out_features, 1)
        nn.init.zeros_(score.weight)
        nn.init.zeros_(score.bias)
        return score

    @torch.no_grad()
    def weights(self, parts, present=None):
        """Return the weight of each modality for each sample.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m)
            Embeddings, as returned by ``net_.module_.encode``.
        present : Tensor (batch, M) of bool, optional

        Returns
        -------
        Tensor, shape (batch, M)
            In the order of the modalities; detached.
        """
        return self._weights(self.stacked(parts), present)

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        stacked = fill_missing(stacked, present, 0.0)
        return (stacked * self._weights(stacked, present)[..., None]).sum(-2)

    def _weights(self, stacked, present):
        """(batch, M, d) to (batch, M)."""
        columns = stacked.unbind(-2)
        pairs = zip(self.scores.items(), columns, strict=True)
        scores = torch.cat([score(column) for (_, score), column in pairs], -1)
        if present is None:
            return scores.softmax(-1)
        lowest = torch.finfo(scores.dtype).min
        return scores.masked_fill(~present, lowest).softmax(-1) * present
