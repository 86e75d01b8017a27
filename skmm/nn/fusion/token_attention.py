"""Attention between tokens, within a modality or across two.

====================  ==================================  ============================
fusion                formula                             parameters
====================  ==================================  ============================
SelfAttentionFusion   [pool A_m(h_m, h_m)] for each m     M attentions and maps
CrossAttentionFusion  [pool A_mk(h_m, h_k)] for each      M (M - 1) attentions, M maps
                      ordered pair of modalities
====================  ==================================  ============================

In the table A(q, k) is multi-head attention with queries from q and keys and values
from k, and pool is the mean over the queries. Missing tokens are neither keys nor
queries; a pair with a missing modality gives zeros.
"""

from itertools import permutations

import torch
from torch import nn

from skmm.nn.fusion.tokens import TokenFusion

__all__ = ["SelfAttentionFusion", "CrossAttentionFusion"]


class Attention(nn.Module):
    """Multi-head attention that returns zeros for samples without keys.

    Parameters
    ----------
    width, heads : int
    dropout : float
    """

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, queries, keys, valid):
        """Result (batch, Tq, width) and mean weights over heads (batch, Tq, Tk)."""
        has_keys = valid.any(1)
        hidden = ~valid & has_keys[:, None]  # hiding all keys of a sample gives NaN
        out, weights = self.attend(queries, keys, keys, key_padding_mask=hidden)
        has_keys = has_keys[:, None, None]
        return out.masked_fill(~has_keys, 0.0), weights.masked_fill(~has_keys, 0.0)


def pooled(tokens, valid):
    """Mean (batch, width) over the valid tokens."""
    total = tokens.masked_fill(~valid[..., None], 0.0).sum(1)
    return total / valid.sum(1, keepdim=True).clamp(min=1)


class PairFusion(TokenFusion):
    """Base class of attention between pairs of modalities; subclasses define `choose`.

    Parameters
    ----------
    width : int, default=64
        Width of the tokens and of the result of each pair.
    heads : int, default=4
        Number of attention heads, a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        Dropout probability on the attention weights.
    """

    _is_abstract = True
    search_space = {"width": [32, 64, 128]}

    def __init__(self, width=64, *, heads=4, dropout=0.0):
        super().__init__()
        self.width = width
        self.heads = heads
        self.dropout = dropout

    def build(self, in_shape):
        """Create the attentions for ``in_shape = {modality: width}``."""
        super().build(in_shape)
        self.pairs = self.choose(self.names)
        settings = (self.width, self.heads, self.dropout)
        self.attentions = nn.ModuleList(Attention(*settings) for _ in self.pairs)
        self.out_features = self.width * len(self.pairs)
        return self

    def choose(self, names):
        """Return the pairs of modalities (queries, keys)."""
        raise TypeError(f"{type(self).__name__} must define choose(names).")

    def forward(self, parts, present=None):
        """Embeddings or tokens to (batch, out_features)."""
        attended, valid = self._attended(parts, present)
        pairs = zip(self.pairs, attended, strict=True)
        return torch.cat([pooled(out, valid[q]) for (q, _), (out, _) in pairs], -1)

    @torch.no_grad()
    def weights(self, parts, present=None):
        """Return the attention weights of each pair.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m) or (batch, T_m, d_m)
            Embeddings, as returned by ``net_.module_.encode``.
        present : Tensor (batch, M) of bool, optional

        Returns
        -------
        dict of (str, str) to Tensor (batch, T of queries, T of keys)
            The weights of a query sum to one, or to zero without keys.
        """
        attended, _ = self._attended(parts, present)
        pairs = zip(self.pairs, attended, strict=True)
        return {pair: weights for pair, (_, weights) in pairs}

    def _attended(self, parts, present):
        """(result, weights) of each pair, and the masks of the tokens."""
        tokens, valid = self.tokens(parts, present)
        pairs = zip(self.pairs, self.attentions, strict=True)
        attended = [attend(tokens[q], tokens[k], valid[k]) for (q, k), attend in pairs]
        return attended, valid


class SelfAttentionFusion(PairFusion):
    """Self-attention within each modality; the means over tokens are concatenated.

    Parameters
    ----------
    width : int, default=64
        Width of the tokens and of the result of each modality.
    heads : int, default=4
        Number of attention heads, a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        Dropout probability on the attention weights.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, M width). This is intra-modality attention: modalities do not
    interact. For a single token it is a linear map.

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
        """Pair each modality with itself."""
        return [(name, name) for name in names]


class CrossAttentionFusion(PairFusion):
    """Attention from the tokens of each modality to those of every other modality.

    Parameters
    ----------
    width : int, default=64
        Width of the tokens and of the result of each pair.
    heads : int, default=4
        Number of attention heads, a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        Dropout probability on the attention weights.

    Raises
    ------
    ValueError
        In ``build``, if there is only one modality.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, M (M - 1) width), with pairs in the order of the modalities.
    If the keys are a *single* token, attention is a linear map of it for any query: on
    plain embeddings this fusion is additive. Use tokens, from `PatchTokens` or
    `SequenceTokens`, to model interactions. An estimator with one modality left uses
    `SelfAttentionFusion` for its tokens.

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
        """Pair each modality with every other one."""
        if len(names) < 2:
            raise ValueError(
                f"CrossAttentionFusion needs at least two modalities; got {names}. Use "
                "SelfAttentionFusion."
            )
        return list(permutations(names, 2))
