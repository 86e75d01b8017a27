"""A transformer over the tokens of all modalities.

=================  ===================================  ==============  ==============
fusion             formula                              parameters      a missing
                                                                        modality
=================  ===================================  ==============  ==============
TransformerFusion  what a transformer makes of a CLS    maps, M + 1     is not seen
                   token before all tokens              tokens, layers
=================  ===================================  ==============  ==============
"""

import torch
from torch import nn

from skmm.nn.fusion.tokens import POSITIVE, TokenFusion

__all__ = ["TransformerFusion"]


class TransformerFusion(TokenFusion):
    """Read the tokens of all modalities with a transformer; its CLS token answers.

    Parameters
    ----------
    width : int, default=64
        Of the tokens and of the result.
    layers : int, default=1
        How many, each of attention and a feed-forward net four times as wide.
    heads : int, default=4
        Of each attention; a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        In each layer.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, width). Every modality adds a learnt vector to its tokens, so
    that their order does not matter; positions are the encoders' business
    (`PatchTokens`, `SequenceTokens`). Cost grows with the square of all tokens.

    In one layer the CLS token asks all rows the same question: which token it listens
    to cannot depend on another token. Where one modality tells which place of another
    counts, take ``layers=2``, or `CrossAttentionFusion`, which learns that faster.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017; Devlin et al., "BERT", 2019
    (CLS); norms come first, as in Xiong et al., "On layer normalization in the
    transformer architecture", 2020.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import TransformerFusion
    >>> fuse = TransformerFusion(8, heads=2).build({"image": 8, "table": 3})
    >>> fuse({"image": torch.randn(4, 9, 8), "table": torch.randn(4, 3)}).shape
    torch.Size([4, 8])
    """

    search_space = {
        "width": [32, 64, 128],
        "layers": [1, 2, 4],
        "dropout": (0.0, 0.6),
    }

    _parameter_constraints = {
        **TokenFusion._parameter_constraints,
        "layers": [POSITIVE],
    }

    def __init__(self, width=64, *, layers=1, heads=4, dropout=0.0):
        super().__init__()
        self.width = width
        self.layers = layers
        self.heads = heads
        self.dropout = dropout

    def build(self, in_shape):
        """Make the layers for ``in_shape = {modality: width}``."""
        super().build(in_shape)
        wide = self.width
        self.kinds = nn.Parameter(0.02 * torch.randn(1 + len(in_shape), wide))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                wide,
                self.heads,
                4 * wide,
                self.dropout,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(self.layers)
        )
        self.norm, self.out_features = nn.LayerNorm(wide), wide
        return self

    def forward(self, parts, present=None):
        """Embeddings or tokens to (batch, width)."""
        tokens, there = self.tokens(parts, present)
        cls = self.kinds[0].expand(len(tokens[self.names[0]]), 1, -1)
        kinds = zip(tokens.values(), self.kinds[1:], strict=True)
        x = torch.cat([cls, *(token + kind for token, kind in kinds)], 1)
        hidden = ~torch.cat(
            [there[self.names[0]].new_ones(len(x), 1), *there.values()], 1
        )
        for block in self.blocks:
            x = block(x, src_key_padding_mask=hidden)
        return self.norm(x[:, 0])
