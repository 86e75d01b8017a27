"""Training: the bridge to skorch, batches, stages, optimizers, devices."""

from skmm.training.batches import predict_outputs
from skmm.training.blending import BlendLosses, blending_weights
from skmm.training.callbacks import (
    AfterEpoch,
    BestWeights,
    EpochBar,
    GateSchedule,
    RecordFusionWeights,
    own_callbacks,
)
from skmm.training.checkpoint import ResumeFile, fit_key
from skmm.training.net import TensorNet, history_frame
from skmm.training.stages import Stage

__all__ = [
    "AfterEpoch",
    "BestWeights",
    "BlendLosses",
    "EpochBar",
    "GateSchedule",
    "RecordFusionWeights",
    "ResumeFile",
    "Stage",
    "TensorNet",
    "blending_weights",
    "fit_key",
    "history_frame",
    "own_callbacks",
    "predict_outputs",
]
