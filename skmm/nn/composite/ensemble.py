"""Several nets of one structure, whose predictions are averaged."""

import math

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skmm.data.tensors import map_tensors, one_tensor
from skmm.nn.composite.stack import can_stack, clip_stacked, stack, unstacked
from skmm.nn.modality_module import ModalityModule


def mean_softmax(outputs):
    """Logarithms of the mean probabilities of the classes, over the first axis."""
    return outputs.log_softmax(-1).logsumexp(0) - math.log(len(outputs))


def mean_sigmoid(outputs):
    """Log-odds of the mean probabilities of the labels, over the first axis."""
    yes, no = (nn.functional.logsigmoid(sign * outputs) for sign in (1, -1))
    return yes.logsumexp(0) - no.logsumexp(0)


def mean(outputs):
    """Mean over the first axis."""
    return outputs.mean(0)


AVERAGES = {"softmax": mean_softmax, "sigmoid": mean_sigmoid, "mean": mean}


class Ensemble(ModalityModule):
    """Nets that start from different weights, and whose predictions are averaged.

    In training, `forward` returns the outputs of all, (n_estimators, batch, outputs),
    and otherwise their average, (batch, outputs).

    Parameters
    ----------
    members : list of MultimodalModule
        Of one structure, with one tensor as output.
    average : {"softmax", "sigmoid", "mean"}
        How outputs are averaged: probabilities of classes or of labels, whose logits
        are returned, or values.

    Notes
    -----
    The embedding of a modality is the concatenation of its embeddings in all members,
    and so is the fused one.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty
    estimation using deep ensembles", 2017.
    """

    stackable = True
    gives = ()
    axis = 0  # of the members; 1 in a stack, whose first axis is that of the replicas

    def __init__(self, members, average):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.size, self.average = len(members), average
        self.widths = {n: self.size * w for n, w in members[0].widths.items()}
        self.packed = None

    def pack(self):
        """Replace the members by one net of stacked weights, if that is possible.

        Missing samples must not enter the statistics of a BatchNorm, so that nets with
        one are not stacked.
        """
        first = self.members[0]
        if can_stack(first) and not _has_batch_norm(first):
            self.packed = stack(list(self.members))
            del self.members
        return self

    def split(self):
        """Return the members; those of a packed ensemble are copies."""
        if self.packed is None:
            return list(self.members)
        return [unstacked(self.packed, i) for i in range(self.size)]

    def enter_stack(self):
        """Expect inputs of (replicas, batch, ...)."""
        self.axis = 1

    # -- parts ---------------------------------------------------------------------

    @property
    def first(self):
        """The packed net, or the first member, whose structure all have."""
        return self.members[0] if self.packed is None else self.packed

    @property
    def encoders(self):
        """Encoders of `first`."""
        return self.first.encoders

    @property
    def in_dtypes(self):
        """Dtype that each encoder reads."""
        return self.first.in_dtypes

    @property
    def readers(self):
        """Blocks among the encoders, by modality."""
        return self.first.readers

    @property
    def fused_features(self):
        """Width of the fused embedding."""
        return self.size * self.first.fused_features

    def parts(self):
        """Submodules by the names that training uses."""
        if self.packed is not None:
            return self.packed.parts()
        found = [member.parts() for member in self.members]
        return {n: nn.ModuleList([parts[n] for parts in found]) for n in found[0]}

    # -- outputs -------------------------------------------------------------------

    def forward(self, x, present=None, encoded=()):
        """Outputs of all members in training, otherwise their average."""
        outputs = self.outputs(x, present, encoded)
        return outputs if self.training else self.averaged(outputs)

    def averaged(self, outputs):
        """(..., n_estimators, batch, outputs) to (..., batch, outputs)."""
        return AVERAGES[self.average](outputs.movedim(-3, 0))

    def by_member(self, x, present=None, encoded=()):
        """Outputs of all members, (batch, n_estimators, outputs)."""
        return self.outputs(x, present, encoded).movedim(0, 1)

    def outputs(self, x, present=None, encoded=()):
        """Outputs of all members, (n_estimators, batch, outputs)."""
        return self._of_all("forward", x, present, encoded)

    def fuse(self, x, present=None, encoded=()):
        """Fused embedding, (batch, width)."""
        return _side_by_side(self._of_all("fuse", x, present, encoded))

    def encode(self, x, present=None, encoded=()):
        """``{modality: (batch, width)}``."""
        found = self._of_all("encode", x, present, encoded)
        return {name: _side_by_side(values) for name, values in found.items()}

    def encode_one(self, name, rows, mask=None):
        """Embedding of one modality."""
        if self.packed is not None:
            mask = None if mask is None else self._for_all(mask)
            rows = self._for_all(rows)
            return _side_by_side(self.packed.encode_one(name, rows, mask))
        found = [member.encode_one(name, rows, mask) for member in self.members]
        return torch.cat(found, -1)

    def _of_all(self, method, x, present, encoded):
        """Result of a method of all members, with their axis first."""
        inputs = {
            name: self._split(rows) if name in encoded else self._for_all(rows)
            for name, rows in x.items()
        }
        if self.packed is not None:
            masks = None if present is None else self._for_all(present)
            return getattr(self.packed, method)(inputs, masks, encoded)
        found = [
            getattr(member, method)(
                {n: v[i] for n, v in inputs.items()}, present, encoded
            )
            for i, member in enumerate(self.members)
        ]
        if isinstance(found[0], dict):
            return {
                name: torch.stack([one[name] for one in found]) for name in found[0]
            }
        return torch.stack([one_tensor(outputs) for outputs in found])

    def _for_all(self, rows):
        shape = list(rows.shape)
        shape.insert(self.axis, self.size)
        return rows.unsqueeze(self.axis).expand(shape)

    def _split(self, embedding):
        """(batch, ..., n_estimators * width) to (n_estimators, batch, ..., width)."""
        return embedding.unflatten(-1, (self.size, -1)).movedim(-2, self.axis)

    # -- training ------------------------------------------------------------------

    def loss(self, objective, outputs, target, weight=None):
        """Mean loss of the members.

        Parameters
        ----------
        objective : callable
        outputs : Tensor of shape (n_estimators, batch, outputs)
        target : Tensor, or dict of str to Tensor, of (batch, ...)
        weight : Tensor of shape (batch,) or (batch, n_estimators), optional

        Returns
        -------
        Tensor, 0-d
        """
        if weight is not None and weight.ndim == 1:
            weight = weight[:, None].expand(-1, self.size)
        if not (getattr(objective, "by_rows", False) and objective.additive):
            weights = [None] * self.size if weight is None else weight.unbind(1)
            pairs = zip(outputs, weights, strict=True)
            losses = [objective(own, target, part) for own, part in pairs]
            return torch.stack(losses).mean()
        weight = None if weight is None else weight.T.flatten()
        repeated = map_tensors(self._repeated, target)
        return objective(outputs.flatten(0, 1), repeated, weight)

    def _repeated(self, tensor):
        return tensor.repeat(self.size, *[1] * (tensor.ndim - 1))

    def clip_gradients(self, largest):
        """Limit the norm of the gradient of each member."""
        if self.packed is not None:
            clip_stacked(self.packed.parameters(), largest)
            return
        for member in self.members:
            nn.utils.clip_grad_norm_(member.parameters(), largest)


def with_gradient_of_sum(mean, size):
    """A mean whose gradient is that of the sum, so that members train as if alone."""
    return mean if size == 1 else mean + (size - 1) * (mean - mean.detach())


def _side_by_side(values):
    """(n_estimators, batch, ..., width) to (batch, ..., n_estimators * width)."""
    return values.movedim(0, -2).flatten(-2)


def _has_batch_norm(module):
    return any(isinstance(part, _BatchNorm) for part in module.modules())
