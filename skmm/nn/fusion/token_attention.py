"""Attention between tokens, within a modality and across two.

====================  ==================================  ============================
fusion                formula                             parameters
====================  ==================================  ============================
SelfAttentionFusion   [pool A_m(h_m, h_m)] for each m     M attentions and maps
CrossAttentionFusion  [pool A_mk(h_m, h_k)] for each      M (M - 1) attentions, M maps
                      ordered pair of modalities
====================  ==================================  ============================

In the table A(q, k) is multi-head attention with queries from q, keys and values from
k, and pool the mean over the queries. What is missing is no key and no query; a pair
that lacks a side gives zeros.
"""

from itertools import permutations

import torch
from torch import nn

from skmm.nn.fusion.tokens import TokenFusion

__all__ = ["SelfAttentionFusion", "CrossAttentionFusion"]


class Attention(nn.Module):
    """Multi-head attention that gives zeros where there is no key.

    Parameters
    ----------
    width, heads : int
    dropout : float
    """

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, queries, keys, there):
        """Result (batch, Tq, width) and weights (batch, Tq, Tk), means over heads."""
        known = there.any(1)
        hidden = ~there & known[:, None]  # of a row without keys none is hidden: no NaN
        out, weights = self.attend(queries, keys, keys, key_padding_mask=hidden)
        known = known[:, None, None]
        return out.masked_fill(~known, 0.0), weights.masked_fill(~known, 0.0)


def pooled(tokens, there):
    """Mean (batch, width) over the tokens that are there."""
    total = tokens.masked_fill(~there[..., None], 0.0).sum(1)
    return total / there.sum(1, keepdim=True).clamp(min=1)


class PairFusion(TokenFusion):
    """Base: attention from one modality to one, for some pairs; define `choose`.

    Parameters
    ----------
    width : int, default=64
        Of the tokens, and of the result of each pair.
    heads : int, default=4
        Of each attention; a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        On the weights of the attention.
    """

    search_space = {"width": [32, 64, 128]}

    def __init__(self, width=64, *, heads=4, dropout=0.0):
        super().__init__()
        self.width = width
        self.heads = heads
        self.dropout = dropout

    def build(self, in_shape):
        """Make the attentions for ``in_shape = {modality: width}``."""
        super().build(in_shape)
        self.pairs = self.choose(self.names)
        settings = (self.width, self.heads, self.dropout)
        self.attentions = nn.ModuleList(Attention(*settings) for _ in self.pairs)
        self.out_features = self.width * len(self.pairs)
        return self

    def choose(self, names):
        """(queries, keys) of each attention."""
        raise TypeError(f"{type(self).__name__} must define choose(names).")

    def forward(self, parts, present=None):
        """Embeddings or tokens to (batch, out_features)."""
        found, there = self._attended(parts, present)
        pairs = zip(self.pairs, found, strict=True)
        return torch.cat([pooled(out, there[q]) for (q, _), (out, _) in pairs], -1)

    @torch.no_grad()
    def weights(self, parts, present=None):
        """Weights of the attention, by pair.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m) or (batch, T_m, d_m)
            Embeddings, as ``net_.module_.encode`` gives them.
        present : Tensor (batch, M) of bool, optional

        Returns
        -------
        dict of (str, str) to Tensor (batch, T of queries, T of keys)
            The rows of each sum to one, or to zero without keys.
        """
        found, _ = self._attended(parts, present)
        return {
            pair: weights for pair, (_, weights) in zip(self.pairs, found, strict=True)
        }

    def _attended(self, parts, present):
        tokens, there = self.tokens(parts, present)
        pairs = zip(self.pairs, self.attentions, strict=True)
        found = [attend(tokens[q], tokens[k], there[k]) for (q, k), attend in pairs]
        return found, there


class SelfAttentionFusion(PairFusion):
    """Let the tokens of each modality attend to each other, then join the means.

    Parameters
    ----------
    width : int, default=64
        Of the tokens, and of each modality's share of the result.
    heads : int, default=4
        Of each attention; a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        On the weights of the attention.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, M width). "Intra-modality attention": no modality sees another
    one. Of one token it is a linear map.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import SelfAttentionFusion
    >>> fuse = SelfAttentionFusion(8).build({"image": 8, "table": 3})
    >>> parts = {"image": torch.randn(4, 9, 8), "table": torch.randn(4, 3)}
    >>> fuse(parts).shape, fuse.weights(parts)["image", "image"].shape
    (torch.Size([4, 16]), torch.Size([4, 9, 9]))
    """

    def choose(self, names):
        """Each modality with itself."""
        return [(name, name) for name in names]


class CrossAttentionFusion(PairFusion):
    """Let the tokens of each modality attend to those of every other one.

    Parameters
    ----------
    width : int, default=64
        Of the tokens, and of each pair's share of the result.
    heads : int, default=4
        Of each attention; a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        On the weights of the attention.

    Raises
    ------
    ValueError
        In ``build``, if there is one modality only.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, M (M - 1) width), the pairs in the order of the modalities. Of
    keys that are *one* token, attention is a linear map of it, whatever the query:
    between embeddings this fusion is additive. It needs tokens, from `PatchTokens` or
    `SequenceTokens`, to relate modalities. Where an estimator is left with the tokens
    of one modality, they attend to each other, as in `SelfAttentionFusion`.

    References
    ----------
    Tsai et al., "Multimodal transformer for unaligned multimodal language sequences",
    2019, without its feed-forward layers.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import CrossAttentionFusion
    >>> fuse = CrossAttentionFusion(8).build({"image": 8, "table": 3})
    >>> parts = {"image": torch.randn(4, 9, 8), "table": torch.randn(4, 3)}
    >>> fuse(parts).shape, fuse.weights(parts)["table", "image"].shape
    (torch.Size([4, 16]), torch.Size([4, 1, 9]))
    """

    supports_single = False

    def choose(self, names):
        """Ordered pairs of different modalities."""
        if len(names) < 2:
            raise ValueError(
                f"CrossAttentionFusion needs two or more modalities, got {names}. Use "
                "SelfAttentionFusion."
            )
        return list(permutations(names, 2))
