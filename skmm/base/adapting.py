"""What the encoders of a net learn from the training samples before training."""

import torch

from skmm.data.sources import rows_at, subset_of
from skmm.nn.assemble import MultimodalModule
from skmm.nn.block import Block


@torch.no_grad()
def adapt_encoders(estimator, data):
    """Call `adapt` of the encoders of a new net with their training samples.

    Samples in which a modality is missing are left out. An encoder that was given
    built keeps what it has learnt.

    Parameters
    ----------
    estimator : ModalityEstimator
    data : TrainingData
        After the validation set is split off.
    """
    rows = data.train[0]
    for net in data.module.modules():
        if isinstance(net, MultimodalModule):
            for name, encoder in net.encoders.items():
                if _adapts(encoder) and not _is_given_built(estimator, name):
                    _adapt(encoder, rows, name)


def _adapts(encoder):
    return isinstance(encoder, Block) and type(encoder).adapt is not Block.adapt


def _is_given_built(estimator, name):
    given = estimator.encoders
    given = given.get(name) if isinstance(given, dict) else given
    return getattr(given, "is_built", False)


def _adapt(encoder, rows, name):
    x, weight = rows.x[name], rows.weight
    if rows.present is not None:
        mask = rows.present[:, list(rows.x).index(name)]
        if not mask.all():
            index = mask.nonzero()[:, 0]
            x = subset_of(x, index)
            weight = None if weight is None else rows_at(weight, index)
    if len(x):
        encoder.adapt(x, weight)
