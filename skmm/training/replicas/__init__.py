"""Many small nets trained as one batch."""

from skmm.training.replicas.together import train_together

__all__ = ["train_together"]
