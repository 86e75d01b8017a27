"""Recurrent encoders of text, and of sequences of shape (channels, length).

===========  ==============================================  ======================
encoder      formula                                         parameters (defaults)
===========  ==============================================  ======================
LSTMEncoder  last state of an LSTM over embedded             33,312 of text: 257 c
             characters, or over positions                   + 4 w (c + w + 2)
===========  ==============================================  ======================

c is the width of a character's embedding, w that of the LSTM.
"""

from numbers import Integral, Real

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from skmm._sklearn import Interval
from skmm.nn.block import Block

__all__ = ["LSTMEncoder"]

SYMBOLS = 257  # bytes of UTF-8, after the padding
PIECE = 256  # steps


class LSTMEncoder(Block):
    """Read a text, or a sequence, step by step; the last state is the embedding.

    Parameters
    ----------
    width : int, default=64
        Units of the LSTM, and width of the embedding; twice this if bidirectional.
    characters : int, default=32
        Width of the embedding of a character. Sequences of numbers have no need of it.
    layers : int, default=1
        LSTMs on top of each other.
    bidirectional : bool, default=False
        Read backwards as well, and join both last states.
    dropout : float in [0, 1), default=0.0
        After each layer.
    max_length : int or None, default=None
        Read only so many steps from the beginning: bytes of a text, which may end
        within a letter that is no ASCII, or positions. None reads all.

    Notes
    -----
    Shapes: text is (batch, longest) of int64, 0 is padding; a modality of strings
    arrives so, as UTF-8 bytes plus one. Sequences are (batch, channels, length), or
    (batch, length), which is one channel; all of their positions are read. The result
    is (batch, out_features).

    Padding is not read, in either direction: the embedding does not depend on how long
    the other texts are. An empty text is read as one step of zeros.

    What follows after `max_length` has no influence, on either direction.

    The time of training grows with the longest text of a batch, which is read step by
    step; if bidirectional, on a CPU, with its square: set `max_length`. The texts
    are stored as a table of 8 bytes for each character of the longest in every row,
    whatever `max_length` is.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997. With 512 units the
    reader of names in Liu et al., "Learn to Combine Modalities in Multimodal Deep
    Learning", 2018.

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

    in_dtype = torch.int64  # of text; `build` for a sequence of numbers changes it

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
        """Make the weights for text, (), or rows (channels, length) or (length,)."""
        if len(in_shape) > 2:
            raise ValueError(
                "LSTMEncoder reads text, or sequences of shape (channels, length) or "
                f"(length,); got rows of shape {tuple(in_shape)}."
            )
        is_text = len(in_shape) == 0
        steps = self.characters if is_text else (1, *in_shape)[-2]
        self.in_dtype = torch.int64 if is_text else torch.float32
        self.table = nn.Embedding(SYMBOLS, steps, padding_idx=0) if is_text else None
        self.lstm = nn.LSTM(
            steps,
            self.width,
            self.layers,
            batch_first=True,
            bidirectional=self.bidirectional,
            dropout=self.dropout if self.layers > 1 else 0.0,  # not after the last
        )
        self.drop = nn.Dropout(self.dropout)
        self.out_features = self.width * (1 + self.bidirectional)
        return self

    def forward(self, x):
        """(batch, longest) of int64, or (batch, ...) of numbers, to an embedding."""
        x = x[..., : self.max_length]
        states = self._numbers(x) if self.table is None else self._text(x)
        last = states[-2:] if self.bidirectional else states[-1:]
        return self.drop(last.transpose(0, 1).flatten(1))

    def _numbers(self, x):
        """Last states (layers * directions, batch, width) of sequences of numbers."""
        steps = x[..., None] if x.ndim == 2 else x.transpose(1, 2)
        return self.lstm(steps)[1][0]

    def _text(self, tokens):
        """Last states of texts without their padding."""
        lengths = (tokens > 0).sum(1).clamp(min=1).cpu()
        longest = int(lengths.max())
        if self.bidirectional or longest <= PIECE:
            return self._states(tokens[:, :longest], lengths)[0]
        return self._in_pieces(tokens, lengths, longest)

    def _in_pieces(self, tokens, lengths, longest):
        """The same, piece by piece: the gradient of a step costs what a piece does."""
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
        """Both states of the LSTM after texts of some lengths."""
        packed = pack_padded_sequence(
            self.table(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        return self.lstm(packed, start)[1]
