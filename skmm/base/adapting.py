"""What the encoders of a net learn from the training samples before training."""

import torch

from skmm.data.sources import rows_at, subset_of
from skmm.nn.assemble import MultimodalModule
from skmm.nn.block import Block


@torch.no_grad()
def adapt_encoders(data):
    """Call `adapt` of the new encoders of a module with their training samples.

    Samples in which a modality is missing are left out; if all are, the encoder waits
    for a later fit of the same net. Encoders that were given built keep what they have
    learnt, and so do those of a net that is trained further.

    Parameters
    ----------
    data : TrainingData
        After the validation set is split off.
    """
    rows = data.train[0]
    for net in data.module.modules():
        if isinstance(net, MultimodalModule):
            waiting = [n for n in net.to_adapt if not _adapt(net.encoders[n], rows, n)]
            net.to_adapt = tuple(waiting)


def _adapt(encoder, rows, name):
    """Call `adapt` of an encoder that has it; False if there are no samples."""
    if not isinstance(encoder, Block) or type(encoder).adapt is Block.adapt:
        return True
    x, weight = rows.x[name], rows.weight
    weight = weight.mean(1) if rows.by_member else weight
    if rows.present is not None:
        mask = rows.present[:, list(rows.x).index(name)]
        if not mask.all():
            index = mask.nonzero()[:, 0]
            x = subset_of(x, index)
            weight = None if weight is None else rows_at(weight, index)
    if len(x):
        encoder.adapt(x, weight)
    return len(x) > 0


def await_unseen(estimator):
    """Let the encoders of a restored net wait for modalities that it has not seen."""
    seen = getattr(estimator, "modalities_seen_", estimator.modalities_in_)
    for net in estimator.net_.module_.modules():
        if isinstance(net, MultimodalModule):
            net.to_adapt = tuple(name for name in net.widths if name not in seen)
