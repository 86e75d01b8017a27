"""Base class of the modules that read a dict of modalities."""

from functools import cached_property

import torch
from torch import nn


class ModalityModule(nn.Module):
    """Module whose input is ``{modality: (batch, ...)}``.

    A subclass defines `in_dtypes`, the dtype that the encoder of each modality reads.
    """

    def _apply(self, fn, recurse=True):
        vars(self).pop("device", None)
        return super()._apply(fn, recurse)

    def __getstate__(self):
        return {n: v for n, v in super().__getstate__().items() if n != "device"}

    @cached_property
    def device(self):
        """Device of the weights; None without any."""
        return next((p.device for p in self.parameters()), None)

    @cached_property
    def reads_floats(self):
        """Whether all encoders read float32."""
        return {*self.in_dtypes.values()} <= {None, torch.float32}
