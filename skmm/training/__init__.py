"""Training: the net of skorch, mini-batches, stages, optimizers and callbacks."""

from skmm.training import callbacks
from skmm.training.batches import predict_outputs
from skmm.training.blending import BlendLosses, blending_weights
from skmm.training.callbacks import (
    EarlyStopping,
    EpochCallback,
    GateSchedule,
    ProgressBar,
    RecordFusionWeights,
    own_callbacks,
)
from skmm.training.checkpoint import ResumeFile
from skmm.training.history import history_frame
from skmm.training.net import TensorNet
from skmm.training.schedules import PerBatch
from skmm.training.stages import Stage

__all__ = [
    "BlendLosses",
    "EarlyStopping",
    "EpochCallback",
    "GateSchedule",
    "PerBatch",
    "ProgressBar",
    "RecordFusionWeights",
    "ResumeFile",
    "Stage",
    "TensorNet",
    "blending_weights",
    "history_frame",
    "own_callbacks",
    "predict_outputs",
]


def __getattr__(name):
    """Return a class by its deprecated name."""
    return callbacks.renamed(name, __name__)
