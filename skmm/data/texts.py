"""Texts as padded tokens: UTF-8 bytes, or those of the encoder."""

import numpy as np
import torch

from skmm._views import quantity
from skmm._warnings import warn
from skmm.data import leaves
from skmm.data.sources import SMALL, TokenRows

LONGEST = 2**14  # characters, unless the encoder sets `max_length`


def read(leaf, name, reader, device):
    """Tokens of texts, counted from 1 and padded with 0.

    Parameters
    ----------
    leaf : ndarray of str or None
    name : str
        Modality.
    reader : Block or None
        Encoder. ``tokenize(texts)`` returns the tokens of all texts, one after another,
        and the number of each; UTF-8 bytes if it has none. No more than `max_length`
        characters are read, if it has this attribute.
    device : torch.device

    Returns
    -------
    Tensor or TokenRows of int64, shape (n_samples, longest)
    """
    limit = getattr(reader, "max_length", None)
    texts = [text or "" for text in leaf]
    if limit is None:
        limit = LONGEST
        _warn_long(texts, name, limit)
    texts = [text[:limit] for text in texts]
    tokenize = getattr(reader, "tokenize", None)
    if tokenize is None:
        tokens, lengths = _bytes(texts, name, limit)
    else:
        for i, text in enumerate(texts):
            leaves.utf8(text, i, name)
        tokens, lengths = tokenize(texts)
    tokens, lengths = torch.from_numpy(tokens), torch.from_numpy(lengths).long()
    rows = TokenRows(tokens.to(device), lengths.to(device))
    return rows[:] if rows.nbytes <= SMALL else rows


def _bytes(texts, name, limit):
    """UTF-8 bytes of texts."""
    encoded = [leaves.utf8(text, i, name)[:limit] for i, text in enumerate(texts)]
    lengths = np.array([len(code) for code in encoded])
    return np.frombuffer(bytearray(b"".join(encoded)), dtype=np.uint8), lengths


def _warn_long(texts, name, limit):
    long = [i for i, text in enumerate(texts) if len(text) > limit]
    if long:
        warn(
            f"modality {name!r} has {quantity(len(long), 'text')} of more than "
            f"{limit:,} characters, the first in row {long[0]}, of "
            f"{len(texts[long[0]]):,}. Only the first {limit:,} are read; set "
            "max_length of the encoder, or shorten the text, to choose what is."
        )
