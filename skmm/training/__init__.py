"""Training: the bridge to skorch, batches, stages, optimizers, devices."""

from skmm.training.callbacks import (
    AfterEpoch,
    BestWeights,
    EpochBar,
    RecordFusionWeights,
)
from skmm.training.checkpoint import ResumeFile, fingerprint
from skmm.training.devices import resolve_device
from skmm.training.history import history_frame
from skmm.training.net import TensorNet
from skmm.training.prediction import predict_outputs
from skmm.training.stages import Stage

__all__ = [
    "AfterEpoch",
    "BestWeights",
    "EpochBar",
    "RecordFusionWeights",
    "ResumeFile",
    "Stage",
    "TensorNet",
    "fingerprint",
    "history_frame",
    "predict_outputs",
    "resolve_device",
]
