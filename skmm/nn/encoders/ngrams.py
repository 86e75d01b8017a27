"""Encoder of text by hashed n-grams.

==================  ==========================================  ====================
encoder             formula                                     parameters (defaults)
==================  ==========================================  ====================
HashedNGramEncoder  s(W mean_g E[hash(g)] + b) over the         266,304: B w
                    n-grams g of a text                         + (w + 1) w
==================  ==========================================  ====================

B is the number of buckets, w the width.
"""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.feature_extraction.text import HashingVectorizer
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block

__all__ = ["HashedNGramEncoder"]

ROWS = 1024  # texts whose n-grams are counted at once
POSITIVE = Interval(Integral, 1, None, closed="left")


class HashedNGramEncoder(Block):
    """Mean or sum of embeddings of the n-grams of a text, then a dense layer.

    N-grams are hashed, so that there is no vocabulary to learn, and new ones have an
    embedding too. It is the default for text.

    Parameters
    ----------
    width : int, default=64
        Width of the embeddings of n-grams, and of the result.
    n_buckets : int, default=4096
        Number of embeddings, at least 256; n-grams of the same hash share one.
    analyzer : {"char", "char_wb", "word"}, default="char"
        Whether n-grams are of characters, of characters within words, or of words.
    ngram_range : tuple (min_n, max_n), default=(1, 3)
        Lengths of the n-grams.
    lowercase : bool, default=False
        Whether to ignore case. In SMILES, for example, it has a meaning.
    pooling : {"mean", "sum"}, default="mean"
        How the embeddings are combined. "sum" grows with the length of a text.
    dropout : float in [0, 1), default=0.0
        Dropout probability after the dense layer.
    max_length : int or None, default=None
        Number of characters that are read. None reads 16,384, with a warning if a text
        is longer.

    Notes
    -----
    Shapes: int64 (batch, n) to (batch, width). Entries are the hashes of the n-grams
    plus one, and 0 is padding. The hash is the MurmurHash3 of
    ``sklearn.feature_extraction.text.HashingVectorizer``. The cost is linear in the
    length of a text. The order of n-grams has no influence; use `LSTMEncoder` or
    `SequenceTokens` where it matters.

    References
    ----------
    Joulin et al., "Bag of tricks for efficient text classification", EACL 2017.
    Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.nn import HashedNGramEncoder
    >>> text = ["good", "so good", "bad", "too bad"] * 5
    >>> model = FusionClassifier(
    ...     {"text": HashedNGramEncoder(8, n_buckets=256)}, lr=0.01, random_state=0
    ... ).fit({"text": text}, [1, 1, 0, 0] * 5)
    >>> model.predict({"text": ["very good", "bad!"]})
    array([1, 0])
    """

    in_dtype = torch.int64
    stackable = True

    search_space = {
        "width": [32, 64, 128],
        "n_buckets": [2**10, 2**12, 2**14],
        "analyzer": ["char", "word"],
        "ngram_range": [(1, 2), (1, 3), (2, 5)],
        "dropout": (0.0, 0.6),
    }

    _parameter_constraints = {
        "width": [POSITIVE],
        "n_buckets": [Interval(Integral, 256, 2**31 - 2, closed="both")],
        "analyzer": [StrOptions({"char", "char_wb", "word"})],
        "ngram_range": [tuple, list],
        "lowercase": ["boolean"],
        "pooling": [StrOptions({"mean", "sum"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_length": [POSITIVE, None],
    }

    def __init__(
        self,
        width=64,
        *,
        n_buckets=2**12,
        analyzer="char",
        ngram_range=(1, 3),
        lowercase=False,
        pooling="mean",
        dropout=0.0,
        max_length=None,
    ):
        super().__init__()
        self.width = width
        self.n_buckets = n_buckets
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self.pooling = pooling
        self.dropout = dropout
        self.max_length = max_length

    def build(self, in_shape):
        """Create the weights for text, whose shape is ()."""
        if in_shape != ():
            raise ValueError(
                "HashedNGramEncoder expects text; got samples of shape "
                f"{tuple(in_shape)}."
            )
        low, high = self._range()
        if not 1 <= low <= high:
            raise ValueError(
                "ngram_range must be (min_n, max_n) with 1 <= min_n <= max_n; got "
                f"{self.ngram_range!r}."
            )
        width = int(self.width)
        # a linear map of counts is faster to train than EmbeddingBag
        self.table = nn.Linear(int(self.n_buckets), width, bias=False)
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(self.dropout)
        )
        self.out_features = width
        return self

    def _range(self):
        if len(self.ngram_range) != 2:
            return 0, 0
        return tuple(int(n) for n in self.ngram_range)

    def tokenize(self, texts):
        """Hash the n-grams of texts.

        Parameters
        ----------
        texts : list of str

        Returns
        -------
        tokens : ndarray of int32, shape (n_tokens,)
            Hashes of the n-grams of all texts, one text after another.
        lengths : ndarray of int64, shape (n_samples,)
            Number of n-grams of each text.
        """
        counts = HashingVectorizer(
            analyzer=self.analyzer,
            ngram_range=self._range(),
            lowercase=bool(self.lowercase),
            token_pattern=r"(?u)\b\w+\b",
            n_features=int(self.n_buckets),
            alternate_sign=False,
            norm=None,
        ).transform(texts)
        repeats = counts.data.astype(np.int64)
        ends = np.concatenate([[0], repeats.cumsum()])[counts.indptr]
        return np.repeat(counts.indices, repeats).astype(np.int32), np.diff(ends)

    def forward(self, x):
        """(batch, n) to (batch, width)."""
        pooled = [self._pooled(part) for part in x.split(ROWS, -2)]
        return self.layers(torch.cat(pooled, -2))

    def _pooled(self, x):
        """Mean or sum of the embeddings of each text."""
        ones = torch.ones(x.shape, device=x.device)
        counts = ones.new_zeros(*x.shape[:-1], self.n_buckets + 1)
        counts = counts.scatter_add_(-1, x, ones)[..., 1:]  # without padding
        total = self.table(counts)
        if self.pooling == "sum":
            return total
        return total / (x > 0).sum(-1, keepdim=True).clamp(min=1)
