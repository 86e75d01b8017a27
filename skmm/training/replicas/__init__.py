"""Many small nets trained as one batch."""

from skmm.training.replicas.together import can_be_stacked, train_together

__all__ = ["can_be_stacked", "train_together"]
