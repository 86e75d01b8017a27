"""Encoders: one modality to one embedding."""

from skmm.nn.encoders.categorical import CategoricalEmbedding
from skmm.nn.encoders.chemception import Chemception
from skmm.nn.encoders.dense import Flatten, MLPEncoder
from skmm.nn.encoders.image import ConvEncoder
from skmm.nn.encoders.ngrams import HashedNGramEncoder
from skmm.nn.encoders.periodic import PeriodicEncoder
from skmm.nn.encoders.recurrent import LSTMEncoder
from skmm.nn.encoders.sequence import Conv1dEncoder
from skmm.nn.encoders.tabm import TabMEncoder
from skmm.nn.encoders.tokens import PatchTokens, SequenceTokens

__all__ = [
    "CategoricalEmbedding",
    "Chemception",
    "Conv1dEncoder",
    "ConvEncoder",
    "Flatten",
    "HashedNGramEncoder",
    "LSTMEncoder",
    "MLPEncoder",
    "PatchTokens",
    "PeriodicEncoder",
    "SequenceTokens",
    "TabMEncoder",
]
