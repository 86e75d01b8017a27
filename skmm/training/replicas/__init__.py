"""Many small nets trained as one batch."""

from skmm.training.replicas.train_stacked import can_be_stacked, train_together

__all__ = ["can_be_stacked", "train_together"]
