"""A transformer over the tokens of all modalities.

=================  ===================================  ==============  ==============
fusion             formula                              parameters      a missing
                                                                        modality
=================  ===================================  ==============  ==============
TransformerFusion  output of a transformer for a CLS    maps, M + 1     its tokens are
                   token placed before all tokens       tokens, layers  masked
=================  ===================================  ==============  ==============
"""

import torch
from torch import nn

from skmm.nn.fusion.tokens import POSITIVE, TokenFusion

__all__ = ["TransformerFusion"]


class TransformerFusion(TokenFusion):
    """Transformer over the tokens of all modalities; the result is its CLS token.

    Parameters
    ----------
    width : int, default=64
        Width of the tokens and of the result.
    layers : int, default=1
        Number of layers, each with attention and a feed-forward net four times as wide.
    heads : int, default=4
        Number of attention heads, a divisor of `width`.
    dropout : float in [0, 1), default=0.0
        Dropout probability in each layer.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m) or (batch, T_m, d_m), ``present`` (batch, M)
    bool, result (batch, width). A learnt vector per modality is added to its tokens, so
    that the order of the modalities does not matter; encoders encode positions
    (`PatchTokens`, `SequenceTokens`). The cost grows with the square of the number of
    tokens.

    In a single layer, the query of the CLS token is the same for all samples, so that
    its attention to one token cannot depend on another token. If one modality
    determines which position of another is relevant, use ``layers=2``, or
    `CrossAttentionFusion`, which learns this faster.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017; Devlin et al., "BERT", 2019
    (CLS token); Xiong et al., "On layer normalization in the transformer architecture",
    2020 (normalisation before each sub-layer).

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
        """Create the layers for ``in_shape = {modality: width}``."""
        super().build(in_shape)
        width = self.width
        self.kinds = nn.Parameter(0.02 * torch.randn(1 + len(in_shape), width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                self.heads,
                4 * width,
                self.dropout,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(self.layers)
        )
        self.norm, self.out_features = nn.LayerNorm(width), width
        return self

    def forward(self, parts, present=None):
        """Embeddings or tokens to (batch, width)."""
        tokens, valid = self.tokens(parts, present)
        cls = self.kinds[0].expand(len(tokens[self.names[0]]), 1, -1)
        kinds = zip(tokens.values(), self.kinds[1:], strict=True)
        x = torch.cat([cls, *(token + kind for token, kind in kinds)], 1)
        always = valid[self.names[0]].new_ones(len(x), 1)  # the CLS token
        hidden = ~torch.cat([always, *valid.values()], 1)
        for block in self.blocks:
            x = block(x, src_key_padding_mask=hidden)
        return self.norm(x[:, 0])
