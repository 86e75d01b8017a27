"""Fusions with gates that depend on all modalities.

In the table h_m is the embedding of modality m, x their concatenation, s the sigmoid, d
the width of the result, * the elementwise product.

==============  ==================================  =================  ===============
fusion          formula                             parameters         missing
==============  ==================================  =================  ===============
GatedFusion     sum_m g_m * tanh(W_m h_m),          M gates (one if    its term is
                g_m = s(G_m x); g_2 = 1 - g_1       M = 2), M maps     left out
                if M = 2
HighwayFusion   t * relu(W x + c) + (1 - t) * x,    2 (D + 1) D per    replaced by
                t = s(T x + b), D the width of x    layer              zeros
ExpertFusion    sum_e p_e E_e, one expert for each  experts and one    its expert is
                modality and one for x,             linear map         left out
                p = softmax(P x)
==============  ==================================  =================  ===============
"""

from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import columns_of
from skmm.nn.layers import ACTIVATIONS, check_widths, dense_layers

__all__ = ["GatedFusion", "HighwayFusion", "ExpertFusion"]


class GatedFusion(Block):
    r"""Gated multimodal unit: a sum of the modalities, gated by all of them.

    .. math:: h = g \odot \tanh(W_1 h_1) + (1 - g) \odot \tanh(W_2 h_2),
        \qquad g = \sigma(G\,[h_1; h_2])

    With three or more modalities, each has its own gate, and the gates do not sum to
    one.

    Parameters
    ----------
    width : int or None, default=None
        Width of the result; None is the width of the widest embedding.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    width). If one of two modalities is missing, the gate of the other one is 1.

    References
    ----------
    Arevalo et al., "Gated multimodal units for information fusion", 2017.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import GatedFusion
    >>> fuse = GatedFusion(width=5).build({"image": 8, "table": 3})
    >>> parts = {"image": torch.randn(4, 8), "table": torch.randn(4, 3)}
    >>> fuse(parts).shape, fuse.gates(parts).shape
    (torch.Size([4, 5]), torch.Size([4, 2, 5]))
    """

    search_space = {"width": [32, 64, 128]}

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, width=None):
        super().__init__()
        self.width = width

    def build(self, in_shape):
        """Create the maps and gates for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        self.out_features = self.width or max(in_shape.values())
        maps = {
            name: nn.Linear(d, self.out_features, bias=False)
            for name, d in in_shape.items()
        }
        count = 1 if len(in_shape) == 2 else len(in_shape)
        self.maps = PerModality(maps)
        self.gate = nn.Linear(
            sum(in_shape.values()), count * self.out_features, bias=False
        )
        return self

    @torch.no_grad()
    def gates(self, parts, present=None):
        """Return the gate of each unit of each modality for each sample.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m)
            Embeddings, as returned by ``net_.module_.encode``.
        present : Tensor (batch, M) of bool, optional

        Returns
        -------
        Tensor, shape (batch, M, width)
        """
        return self._gates(columns_of(parts, self.names, present), present)

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        maps = [part for _, part in self.maps.items()]
        terms = [torch.tanh(m(c)) for m, c in zip(maps, columns, strict=True)]
        return (self._gates(columns, present) * torch.stack(terms, -2)).sum(-2)

    def _gates(self, columns, present):
        gates = torch.sigmoid(self.gate(torch.cat(columns, -1)))
        if len(columns) != 2:
            gates = gates.unflatten(-1, (len(columns), self.out_features))
            return gates if present is None else gates * present[..., None]
        gates = torch.stack([gates, 1 - gates], -2)
        if present is None:
            return gates
        single = present & ~present.all(-1, keepdim=True)
        gates = gates.masked_fill(single[..., None], 1.0)
        return gates.masked_fill(~present[..., None], 0.0)


class HighwayFusion(Block):
    r"""Highway layers on the concatenated embeddings.

    .. math:: y = t \odot \mathrm{relu}(W x + c) + (1 - t) \odot x,
        \qquad t = \sigma(T x + b)

    Parameters
    ----------
    layers : int, default=1
        Number of layers.
    gate_bias : float, default=-1.0
        Initial value of b. With a negative value, the layers initially pass most of
        their input unchanged.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    sum of d_m).

    References
    ----------
    Srivastava et al., "Highway networks", 2015; between modalities Rohanian et al.,
    "Detecting depression with word-level multimodal fusion", 2019.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import HighwayFusion
    >>> fuse = HighwayFusion(gate_bias=-100.0).build({"a": 2, "b": 1})
    >>> fuse({"a": torch.ones(1, 2), "b": torch.zeros(1, 1)}).detach()
    tensor([[1., 1., 0.]])
    """

    search_space = {"layers": [1, 2, 3]}

    _parameter_constraints = {
        "layers": [Interval(Integral, 1, None, closed="left")],
        "gate_bias": [Interval(Real, None, None, closed="neither")],
    }

    def __init__(self, layers=1, *, gate_bias=-1.0):
        super().__init__()
        self.layers = layers
        self.gate_bias = gate_bias

    def build(self, in_shape):
        """Create the layers for ``in_shape = {modality: width}``."""
        self.names, self.out_features = list(in_shape), sum(in_shape.values())
        square = (self.out_features, self.out_features)
        self.changes = nn.ModuleList(nn.Linear(*square) for _ in range(self.layers))
        self.gates = nn.ModuleList(nn.Linear(*square) for _ in range(self.layers))
        for gate in self.gates:
            nn.init.constant_(gate.bias, self.gate_bias)
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        x = torch.cat(columns_of(parts, self.names, present), -1)
        for change, gate in zip(self.changes, self.gates, strict=True):
            x = torch.lerp(x, torch.relu(change(x)), torch.sigmoid(gate(x)))
        return x


class ExpertFusion(Block):
    r"""Mixture of experts: one per modality and a joint one, weighted per sample.

    .. math:: h = \sum_e p_e E_e, \qquad p = \mathrm{softmax}(P\,[h_1; \ldots; h_M] + c)

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Widths of the layers of every expert, at least one; the last is the width of the
        result.
    activation : str, default="relu"
        See ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Dropout probability after each layer.

    Raises
    ------
    ValueError
        In ``build``, if `hidden` is empty: without a layer, the outputs of the experts
        differ in width.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    ``hidden[-1]``). All experts are computed; `DynamicFusionClassifier` computes only
    the selected one.

    References
    ----------
    Jacobs et al., "Adaptive mixtures of local experts", 1991.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ExpertFusion
    >>> fuse = ExpertFusion((6,)).build({"image": 8, "table": 3})
    >>> parts = {"image": torch.randn(4, 8), "table": torch.randn(4, 3)}
    >>> fuse(parts).shape, fuse.weights(parts).shape  # the last one is joint
    (torch.Size([4, 6]), torch.Size([4, 3]))
    """

    search_space = {"hidden": [(32,), (64,), (64, 64)], "dropout": (0.0, 0.6)}

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden=(64,), *, activation="relu", dropout=0.0):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Create the experts for ``in_shape = {modality: width}``."""
        if not check_widths(self.hidden):
            raise ValueError(
                "hidden must have at least one width, such as (64,): it is the common "
                "width of the experts of ExpertFusion; got an empty tuple."
            )
        self.names, total = list(in_shape), sum(in_shape.values())
        self.experts = PerModality({n: self._expert(d) for n, d in in_shape.items()})
        self.joint = self._expert(total)
        self.choice = nn.Linear(total, len(in_shape) + 1)
        self.out_features = self.hidden[-1]
        return self

    def _expert(self, width):
        settings = (self.hidden, self.activation, self.dropout)
        return dense_layers(width, *settings)[0]

    @torch.no_grad()
    def weights(self, parts, present=None):
        """Return the weight of each expert for each sample.

        Parameters
        ----------
        parts : dict of str to Tensor (batch, d_m)
            Embeddings, as returned by ``net_.module_.encode``.
        present : Tensor (batch, M) of bool, optional

        Returns
        -------
        Tensor, shape (batch, M + 1)
            The experts of the modalities in their order, then the joint expert.
        """
        return self._weights(columns_of(parts, self.names, present), present)

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        experts = [part for _, part in self.experts.items()]
        outputs = [expert(c) for expert, c in zip(experts, columns, strict=True)]
        outputs.append(self.joint(torch.cat(columns, -1)))
        weights = self._weights(columns, present)
        return (weights[..., None] * torch.stack(outputs, -2)).sum(-2)

    def _weights(self, columns, present):
        scores = self.choice(torch.cat(columns, -1))
        if present is not None:
            usable = nn.functional.pad(present, (0, 1), value=True)
            scores = scores.masked_fill(~usable, torch.finfo(scores.dtype).min)
        return scores.softmax(-1)
