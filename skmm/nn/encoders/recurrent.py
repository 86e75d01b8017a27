"""Recurrent encoders of text, and of sequences of shape (channels, length).

===========  ==============================================  ======================
encoder      formula                                         parameters (defaults)
===========  ==============================================  ======================
LSTMEncoder  last state of an LSTM over embedded             33,312 of text: 257 c
             characters, or over positions                   + 4 w (c + w + 2)
===========  ==============================================  ======================

c is the width of the character embedding, w the width of the LSTM.
"""

from numbers import Integral, Real

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from skmm._sklearn import Interval
from skmm.nn.block import Block

__all__ = ["LSTMEncoder"]

SYMBOLS = 257  # padding, then the 256 bytes of UTF-8
PIECE = 256  # steps


class LSTMEncoder(Block):
    """LSTM over a text or a sequence; its last state is the embedding.

    Parameters
    ----------
    width : int, default=64
        Number of units of the LSTM. The embedding has this width, or twice this width
        if bidirectional.
    characters : int, default=32
        Width of the embedding of a character; not used for sequences of numbers.
    layers : int, default=1
        Number of stacked LSTM layers.
    bidirectional : bool, default=False
        Whether to read backwards as well and concatenate both last states.
    dropout : float in [0, 1), default=0.0
        Dropout probability after each layer.
    max_length : int or None, default=None
        Number of steps that are read: bytes of a text (a character outside ASCII has
        several) or positions of a sequence. The rest has no influence, in either
        direction. None reads whole sequences, and up to 16,384 characters of a text,
        with a warning if one is longer.

    Notes
    -----
    Shapes: text is (batch, longest) of int64, where 0 is padding; a modality of
    strings is passed in this form: UTF-8 bytes plus one. Sequences are
    (batch, channels, length), or (batch, length) for one channel; all positions are
    read. The result is (batch, out_features).

    Padding is not read in either direction, so that an embedding does not depend on
    the lengths of the other texts. An empty text is read as one step of zeros.

    Training time grows with the longest text of a mini-batch, which is read step by
    step; if bidirectional, on a CPU, it grows with the square. Set `max_length`, to
    which texts are cut before they are stored. `HashedNGramEncoder` is faster.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997. Liu et al., "Learn to
    Combine Modalities in Multimodal Deep Learning", 2018, use 512 units for names.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import LSTMEncoder
    >>> reader = LSTMEncoder(width=8).build(())  # () is the shape of a text
    >>> reader(torch.tensor([[98, 99, 0], [98, 99, 100]])).shape
    torch.Size([2, 8])
    >>> LSTMEncoder(8, bidirectional=True).build((3, 50))(torch.zeros(2, 3, 50)).shape
    torch.Size([2, 16])
    """

    in_dtype = torch.int64  # of text; `build` sets float32 for a sequence of numbers

    search_space = {"width": [32, 64, 128], "dropout": (0.0, 0.6)}

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "characters": [Interval(Integral, 1, None, closed="left")],
        "layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        width=64,
        *,
        characters=32,
        layers=1,
        bidirectional=False,
        dropout=0.0,
        max_length=None,
    ):
        super().__init__()
        self.width = width
        self.characters = characters
        self.layers = layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.max_length = max_length

    def build(self, in_shape):
        """Create the weights for text, (), or for (channels, length) or (length,)."""
        if len(in_shape) > 2:
            raise ValueError(
                "LSTMEncoder expects text, or sequences of shape (channels, length) or "
                f"(length,); got samples of shape {tuple(in_shape)}."
            )
        is_text = len(in_shape) == 0
        channels = int(self.characters if is_text else (1, *in_shape)[-2])
        self.in_dtype = torch.int64 if is_text else torch.float32
        self.table = nn.Embedding(SYMBOLS, channels, padding_idx=0) if is_text else None
        self.lstm = nn.LSTM(
            channels,
            int(self.width),
            int(self.layers),
            batch_first=True,
            bidirectional=bool(self.bidirectional),
            dropout=self.dropout if self.layers > 1 else 0.0,  # not after the last
        )
        self.drop = nn.Dropout(self.dropout)
        self.out_features = self.width * (1 + self.bidirectional)
        return self

    def forward(self, x):
        """(batch, longest) or (batch, ...) to (batch, out_features)."""
        x = x[..., : self.max_length]
        states = self._numbers(x) if self.table is None else self._text(x)
        last = states[-2:] if self.bidirectional else states[-1:]
        return self.drop(last.transpose(0, 1).flatten(1))

    def _numbers(self, x):
        """Last states of sequences of numbers, (layers * directions, batch, width)."""
        steps = x[..., None] if x.ndim == 2 else x.transpose(1, 2)
        return self.lstm(steps)[1][0]

    def _text(self, tokens):
        """Last states of texts, whose padding is not read."""
        lengths = (tokens > 0).sum(1).clamp(min=1).cpu()
        longest = int(lengths.max())
        if self.bidirectional or longest <= PIECE:
            return self._states(tokens[:, :longest], lengths)[0]
        return self._in_pieces(tokens, lengths, longest)

    def _in_pieces(self, tokens, lengths, longest):
        """The same in pieces: the cost of a step's gradient grows with the piece."""
        states = self._states(tokens[:, :PIECE], lengths.clamp(max=PIECE))
        for start in range(PIECE, longest, PIECE):
            rows = (lengths > start).nonzero()[:, 0]
            left = (lengths[rows] - start).clamp(max=PIECE)
            rows = rows.to(tokens.device)
            piece = tokens[rows, start : start + int(left.max())]
            found = self._states(piece, left, [s.index_select(1, rows) for s in states])
            pairs = zip(states, found, strict=True)
            states = [old.index_copy(1, rows, new) for old, new in pairs]
        return states[0]

    def _states(self, tokens, lengths, start=None):
        """Hidden and cell state of the LSTM after texts of these lengths."""
        packed = pack_padded_sequence(
            self.table(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        return self.lstm(packed, start)[1]
