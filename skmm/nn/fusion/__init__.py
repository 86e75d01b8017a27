"""Fusions: the embeddings of all modalities to one."""

from skmm.nn.fusion.basic import (
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    ProductFusion,
    SumFusion,
)

__all__ = ["ConcatFusion", "MaxFusion", "MeanFusion", "ProductFusion", "SumFusion"]
