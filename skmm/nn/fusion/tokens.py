"""Base class of the fusions of tokens.

An embedding (batch, d) is one token. Encoders with ``gives_tokens = True``, such as
`PatchTokens` and `SequenceTokens`, return several, (batch, T, d); a token of zeros is
padding.
"""

from numbers import Integral, Real

from torch import nn

from skmm._sklearn import Interval
from skmm.nn.block import Block, PerModality

POSITIVE = Interval(Integral, 1, None, closed="left")


class TokenFusion(Block):
    """Base class of fusions that map the tokens of all modalities to one width."""

    _is_abstract = True
    takes_tokens = True

    _parameter_constraints = {
        "width": [POSITIVE],
        "heads": [POSITIVE],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def build(self, in_shape):
        """Create the maps for ``in_shape = {modality: width}``."""
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads={self.heads}; got "
                f"width={self.width}."
            )
        self.names = list(in_shape)
        self.maps = PerModality(
            {n: nn.Linear(d, self.width) for n, d in in_shape.items()}
        )
        return self

    def tokens(self, parts, present=None):
        """Return the tokens of every modality and a mask that is False for padding.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m) or (batch, T_m, d_m)
        present : Tensor (batch, M) of bool or None

        Returns
        -------
        tokens : dict of str to Tensor (batch, T_m, width)
        valid : dict of str to Tensor (batch, T_m) of bool
        """
        tokens, valid = {}, {}
        for i, name in enumerate(self.names):
            part = parts[name]
            many = part.ndim == 3
            part = part if many else part[:, None]
            mask = (part != 0).any(-1) if many else part.new_ones(part.shape[:2]) > 0
            valid[name] = mask if present is None else mask & present[:, i, None]
            part = part.masked_fill(~valid[name][..., None], 0.0)
            tokens[name] = self.maps[name](part)
        return tokens, valid
