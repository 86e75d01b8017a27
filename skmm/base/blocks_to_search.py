"""What is worth trying of encoders, fusions and heads, for search spaces.

=================  ===========================  ======================================
of                 parameters                   why
=================  ===========================  ======================================
MLPEncoder         hidden, dropout              one or two layers of 32 to 128 units
                                                serve tables of some hundred rows;
                                                dropout 0 to 0.6 spans none to the
                                                0.58 of Liu's thesis (2022)
ConvEncoder        hidden, dropout              the dense layers behind convolutions;
                                                126 is the thesis's
Conv1dEncoder      width                        of the embedding
LSTMEncoder        width, dropout               of the embedding
Chemception        filters                      16 is the published small network
fusions            hidden or width              what they join is narrow or wide
MLPHead            hidden, dropout              none, or one hidden layer
=================  ===========================  ======================================

What a Block has now is among the choices. A built Block brings its weights and cannot
be changed; a class of your own may have a method ``default_search_space``.
"""

from scipy.stats import uniform
from sklearn.base import clone

from skmm import nn as blocks
from skmm.nn import Block
from skmm.nn.resolve import resolve

DROPOUT = (0.0, 0.6)
WIDTHS = (32, 64, 128)
TABLES = {
    "MLPEncoder": {"hidden": [(32,), (64,), (128,), (64, 64), (128, 64)]},
    "ConvEncoder": {"hidden": [(64,), (126,), (256,)]},
    "Conv1dEncoder": {"width": [*WIDTHS]},
    "LSTMEncoder": {"width": [*WIDTHS]},
    "Chemception": {"filters": [8, 16, 32]},
    "ConcatFusion": {"hidden": [(), (32,), (64,)]},
    "MLPHead": {"hidden": [(), (32,), (64,)]},
    "MLPDecoder": {"hidden": [(), (64,), (128,)]},
}
DROPPING = {"MLPEncoder", "ConvEncoder", "LSTMEncoder", "MLPHead"}
FUSIONS = ("concat", "mean", "product", "attention")  # no one of them is best for all


def of_part(part, prefix):
    """Search space of an encoder, fusion, head or decoder.

    Parameters
    ----------
    part : object
        What is no Block, or is built, has nothing to search.
    prefix : str
        Of the parameters' names, as "encoders__image".

    Returns
    -------
    dict of str to list or frozen distribution
    """
    if isinstance(part, type) or (isinstance(part, Block) and part.is_built):
        return {}
    if hasattr(part, "default_search_space"):
        space = part.default_search_space()
    else:
        space = _of_block(part) if isinstance(part, Block) else {}
    return {f"{prefix}__{name}": values for name, values in space.items()}


def _of_block(block):
    name, params = type(block).__name__, block.get_params(deep=False)
    table = TABLES.get(name, {})
    if isinstance(block, blocks.fusion.basic.EqualWidthFusion):
        table = {"width": [*WIDTHS]}  # None needs embeddings of one width
    space = {key: with_present(params[key], values) for key, values in table.items()}
    if name in DROPPING:
        low, high = DROPOUT
        space["dropout"] = uniform(low, max(high, params["dropout"]) - low)
    return space


def with_present(value, choices):
    """The choices, and first what the parameter is now."""
    value = tuple(value) if isinstance(value, list) else value
    absent = value is None or value in choices
    return list(choices) if absent else [value, *choices]


def fusions(named):
    """Whole fusions to choose from, with the one that is named now.

    Parameters
    ----------
    named : str
        As for the parameter `fusion`.
    """
    return [
        _with_width(resolve(name, blocks.fusion, "Fusion")) for name in _names(named)
    ]


def _names(named):
    return FUSIONS if named in FUSIONS else (named, *FUSIONS)


def _with_width(fusion):
    """Encoders of different widths are no obstacle to a fusion that has one."""
    if fusion.get_params().get("width", 0) is None:
        return clone(fusion).set_params(width=WIDTHS[1])
    return fusion


def heads():
    """Whole heads to choose from: none hidden, the default, and a wide one."""
    return [
        blocks.MLPHead(()),
        blocks.MLPHead(),
        blocks.MLPHead((64,), dropout=0.3),
    ]
