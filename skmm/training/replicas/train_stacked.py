"""Training of many nets, in stacks where possible, the others one by one."""

from collections import defaultdict

import torch
from skorch.callbacks import EpochTimer

from skmm._random import seeded
from skmm.data.tensors import tensors_in
from skmm.nn.block import Block
from skmm.nn.composite.stack import can_stack
from skmm.objectives import Objective
from skmm.objectives.base import modules_in
from skmm.training.batches import StackedRows, batch_bounds, slice_rows
from skmm.training.callbacks import EarlyStopping
from skmm.training.fingerprint import attributes_of, describe, digest
from skmm.training.optimizers import optimizer_class, penalised
from skmm.training.replicas.stacked_training import VALIDATION_ROWS, StackedTraining
from skmm.training.threads import BACKWARD, threads_for, work_of

ELEMENTWISE = {  # optimizers whose step is proportional to lr
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.SGD,
    torch.optim.RMSprop,
    torch.optim.Adagrad,
}


def train_together(nets, problems, seeds, *, memory=2**29):
    """Train initialised nets, as one batch of stacked parameters where possible.

    Without dropout, the result equals that of training one by one up to rounding, with
    the same initial weights, order of samples and early stopping of each net.

    Parameters
    ----------
    nets : list of TensorNet
        Initialised; they are trained in place, each with its own history.
    problems : list of TrainingData
        Training and validation samples of each net.
    seeds : list of int
        Seeds of dropout.
    memory : int, default=2**29
        Maximum size of the samples and weights of a stack in bytes; more nets are
        trained in several stacks.

    Returns
    -------
    list of bool
        Whether each net was trained in a stack.
    """
    stacked = [False] * len(nets)
    for key, members in _groups(nets, problems).items():
        size = _stack_size(nets[members[0]], problems[members[0]], memory)
        for start in range(0, len(members), size):
            part = members[start : start + size]
            if key is None or len(part) == 1:
                _one_by_one(nets, problems, seeds, part)
                continue
            _in_a_stack(
                [nets[i] for i in part], [problems[i] for i in part], seeds[part[0]]
            )
            for i in part:
                stacked[i] = True
    return stacked


def _groups(nets, problems):
    """Indices of the nets of each stack, by what they share; None: one by one."""
    groups = defaultdict(list)
    for i, (net, problem) in enumerate(zip(nets, problems, strict=True)):
        groups[_structure(net, problem)].append(i)
    return groups


def _structure(net, problem):
    """Settings that the nets of a stack share; None if the net cannot be stacked."""
    stoppers = [c for _, c in net.callbacks_ if isinstance(c, EarlyStopping)]
    if not can_be_stacked(net, problem):
        return None
    rows, target = problem.train
    starts = tuple(s for s, _ in batch_bounds(len(rows), net.batch_size))
    shapes = tuple((k, v.shape, v.dtype) for k, v in net.module_.state_dict().items())
    kinds = tuple(type(part) for part in net.module_.modules())
    settings = (
        optimizer_class(net.optimizer),
        net.batch_size,
        net.max_epochs,
        net.lr_schedule,
        net.gradient_clip,
        (type(net.criterion), _params_of(net.criterion)),
        repr(net.device),
        tuple((s.patience, s.min_delta, s.keep_start) for s in stoppers),
    )
    targets = [target, *(problem.valid or ())[1:]]  # masked ones have two tensors
    dtypes = [tuple(tensor.dtype for tensor in tensors_in(t)) for t in targets]
    data = (starts, rows.present is None, tuple(dtypes), problem.valid is None)
    data += (rows.by_member,)
    return (shapes, kinds, _settings(net.module_), settings, data)


def can_be_stacked(net, problem):
    """Return whether a net can be trained in a stack.

    This requires dense Blocks, an Objective without weights that is a mean over
    samples, an optimizer whose steps are proportional to lr, and one lr and weight
    decay for all parts. Stages, compilation, a monitored score and callbacks other than
    early stopping are not supported.

    Parameters
    ----------
    net : TensorNet
    problem : TrainingData
    """
    known = (EarlyStopping, EpochTimer)
    masked = problem.train[0].present is not None
    return (
        optimizer_class(net.optimizer) in ELEMENTWISE
        and isinstance(net.criterion, Objective)
        and not modules_in(net.criterion)
        and net.criterion.by_rows
        and (net.criterion.additive or _is_checked_at_once(net, problem.valid))
        and all(isinstance(callback, known) for _, callback in net.callbacks_)
        and len(net.history) == 0
        and problem.monitor is None
        and not net.stages
        and not net.compile
        and not isinstance(net.lr, dict)
        and not isinstance(net.weight_decay, dict)
        and net.lr_schedule in (None, "cosine")
        and can_stack(net.module_)
        and not penalised(net.module_)
        and all(p.requires_grad for p in net.module_.parameters())
        and not (masked and _has_norms(net.module_))
    )


def _is_checked_at_once(net, valid):
    """Whether the validation set is one slice, in a stack and alone."""
    if valid is None:
        return True
    return len(valid[0]) <= min(VALIDATION_ROWS, slice_rows(valid[0], net.batch_size))


def _has_norms(module):
    return any(isinstance(part, torch.nn.BatchNorm1d) for part in module.modules())


def _settings(module):
    """Settings of layers and Blocks besides weights, by which nets are compared."""
    return tuple(_settings_of(part) for part in module.modules())


def _settings_of(part):
    if isinstance(part, Block):
        return _params_of(part, without=part.per_replica)
    values = attributes_of(part).items()
    return tuple((name, _comparable(value)) for name, value in values)


def _params_of(owner, without=()):
    names = [name for name in owner._get_param_names() if name not in without]
    return tuple((name, _comparable(getattr(owner, name))) for name in names)


def _comparable(value):
    """The value if it consists of numbers or text, else its digest."""
    if value is None or type(value) in (bool, int, float, str):
        return type(value).__name__, value
    if type(value) in (list, tuple):
        return type(value).__name__, *map(_comparable, value)
    return digest(describe(value, weights=False))


def _stack_size(net, problem, memory):
    """Maximum number of nets like this one in a stack."""
    weights = sum(p.numel() for p in net.module_.parameters())
    bytes_each = (
        2 * problem.nbytes() + 24 * weights
    )  # data twice; gradient, moments, best
    return max(1, memory // max(1, bytes_each))


def _one_by_one(nets, problems, seeds, members):
    for i in members:
        with seeded(seeds[i], nets[i].device):
            problem = problems[i]
            nets[i].run(problem.train, problem.valid, monitor=problem.monitor)


def _in_a_stack(nets, problems, seed):
    train = StackedRows.of([problem.train for problem in problems])
    valid = None
    if problems[0].valid is not None:
        valid = StackedRows.of([problem.valid for problem in problems])
    stoppers = [c for _, c in nets[0].callbacks_ if isinstance(c, EarlyStopping)]
    stopper = stoppers[0] if stoppers else None
    rows = problems[0].train[0]
    work = BACKWARD * work_of(nets[0].module_, rows, nets[0].batch_size) * len(nets)
    with threads_for(work), seeded(seed, nets[0].device):
        StackedTraining(nets, train, valid, stopper).run(nets[0].max_epochs)
