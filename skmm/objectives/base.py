"""Base class of objectives, and checks of objectives.

An objective is called with (outputs, target, weight) and returns a scalar. Outputs and
target are tensors or dicts of named tensors, with the samples along the first axis.
``{"values": ..., "observed": ...}`` is a masked target, of which only the entries where
the bool mask `observed` is True are used.
"""

import copy
import inspect

import torch
from sklearn.base import BaseEstimator
from torch import nn

from skmm._class_registry import register
from skmm._params import CachedParamNames
from skmm.data.tensors import map_tensors, names_in, tensors_in

RULE = (
    "An objective is called with (outputs, target, weight) and returns a scalar, the "
    "mean over the samples; use a name, such as 'squared_error' or 'cross_entropy', or "
    "an instance of skmm.objectives.Objective."
)
OURS = {  # names for the losses of torch
    nn.BCELoss: "binary_cross_entropy",
    nn.BCEWithLogitsLoss: "binary_cross_entropy",
    nn.CrossEntropyLoss: "cross_entropy",
    nn.HuberLoss: "huber_error",
    nn.L1Loss: "absolute_error",
    nn.MSELoss: "squared_error",
    nn.MultiLabelSoftMarginLoss: "binary_cross_entropy",
    nn.NLLLoss: "cross_entropy",
    nn.SmoothL1Loss: "huber_error",
}


class Objective(CachedParamNames, BaseEstimator):
    """Base class of objectives.

    A subclass defines `rows`, the loss of every sample; or `__call__`, if samples are
    compared with each other.

    A subclass that also inherits from ``torch.nn.Module`` may have weights. Every fit
    trains them in a copy, as the part "objective"; a clone keeps them, and `set_params`
    initialises them again.

    Attributes
    ----------
    reads : str or tuple of str
        Names of all outputs that it uses; () is a plain tensor.
    by_rows : bool
        Whether the loss of a mini-batch is the mean of `rows`, which stacks require.
        False by default if `__call__` is overridden.
    additive : bool
        Whether the loss of all samples is the mean of those of batches. By default it
        is False where `__call__` is overridden.
    compares_samples : bool
        Whether the loss of a sample depends on the others of its mini-batch. A trailing
        mini-batch of less than half the size is then merged into the previous one. By
        default True where `__call__` is overridden and `by_rows` is False.
    masks_entries : bool
        Whether `rows` accepts a target that is masked by entry.
    """

    _parameter_constraints: dict = {}
    reads = ()
    by_rows = True
    additive = True
    compares_samples = False
    masks_entries = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls, "objectives")
        if issubclass(cls, nn.Module) and "forward" in vars(cls):
            cls.__call__ = nn.Module.__call__
        if cls.__call__ is not Objective.__call__:
            own = [c for c in cls.__mro__ if c is not Objective]
            for fact in ("by_rows", "additive"):
                if not any(fact in vars(c) for c in own):
                    setattr(cls, fact, False)
            if not any("compares_samples" in vars(c) for c in own):
                cls.compares_samples = not cls.by_rows

    def __call__(self, outputs, target, weight=None):
        """Compute the mean loss of a mini-batch.

        Parameters
        ----------
        outputs : Tensor, shape (n_samples, n_outputs)
        target : Tensor, shape (n_samples,) or (n_samples, n_outputs)
            Or a masked target, ``{"values": target, "observed": mask}``, with a mask of
            the shape of the values or (n_samples,). Entries that are not observed have
            neither loss nor gradient; samples without observed entries are left out.
            Means over outputs, such as squared errors, are then over all observed
            entries of the mini-batch.
        weight : Tensor, shape (n_samples,), optional
            Weight of each sample, with a mean of 1 over the training samples.

        Returns
        -------
        Tensor, 0-d
        """
        self.check(*self._readable(outputs, target))
        if weight is None and not isinstance(target, dict):
            return self.finish(self.mean(outputs, target))
        losses, counted = self.row_losses(outputs, target)
        losses = losses if weight is None else losses * weight
        if counted is None:
            return self.finish(losses.mean())
        return self.finish(losses.sum() / counted.sum().clamp(min=1))

    def _readable(self, outputs, target):
        """Outputs and target for `rows`, which does not see a mask of samples."""
        values, observed = split_mask(target)
        if observed is None:
            if _looks_masked(target) and not target.keys() <= _names_read(self):
                raise_not_masked(self, target)
            return outputs, target
        check_mask(self, target)
        if observed.ndim == 1:
            values = values.masked_fill(~over_entries(observed, values), 0)
            return self._without_unobserved(outputs, observed), values
        if not self.masks_entries:
            raise ValueError(
                f"objective {type(self).__name__} does not support a target that is "
                "masked by entry. Use a mask of shape (n_samples,), or an objective "
                "that supports it, such as 'squared_error'."
            )
        return outputs, target

    def _without_unobserved(self, outputs, observed):
        """Outputs without a gradient for samples that are not observed."""
        return map_tensors(lambda out: without_unobserved(out, observed), outputs)

    def row_losses(self, outputs, target):
        """Compute the loss of every sample, and how often it counts in the mean.

        Returns
        -------
        losses : Tensor, shape (n_samples,)
            Times `counted`; zero for those that do not count.
        counted : Tensor of bool or int, shape (n_samples,), or None
            None is once each.
        """
        losses = self._checked_rows(*self._readable(outputs, target))
        counted = self.counted(target)
        if counted is not None:
            losses = losses.masked_fill(counted == 0, 0.0) * counted
        return losses, counted

    def counted(self, target):
        """How often each sample counts in the mean, (n_samples,); None is once each.

        By default 1 with an observed entry, else 0.
        """
        return observed_samples(target)

    def mean(self, outputs, target):
        """Unweighted mean of `rows`; override it if torch computes it directly."""
        return self._checked_rows(outputs, target).mean()

    def _checked_rows(self, outputs, target):
        """Loss of every sample; other shapes would broadcast with the weights."""
        losses, shape = self.rows(outputs, target), tensors_in(target)[0].shape[:1]
        if isinstance(losses, torch.Tensor) and losses.shape == shape:
            return losses
        raise ValueError(
            f"rows of objective {type(self).__name__} must return a tensor of shape "
            f"{tuple(shape)}, the loss of every sample; got {_kind(losses)}."
        )

    @property
    def validation(self):
        """Objective of the validation set, by default this one."""
        return self

    def finish(self, mean):
        """Turn the mean of `rows` into the loss of a mini-batch; by default unchanged.

        Parameters
        ----------
        mean : Tensor, any shape
            In a stack, one number per replica.
        """
        return mean

    def check(self, outputs, target):
        """Check that outputs, target and mask have one shape, without broadcasting."""
        values, observed = split_mask(target)
        if isinstance(outputs, dict):
            return  # whoever reads outputs by name knows their shapes
        if observed is not None:
            check_mask(self, target)
        elif isinstance(target, dict):
            raise_not_masked(self, target)
        if outputs.shape != values.shape:
            raise ValueError(
                f"objective {type(self).__name__} needs a target of the shape of the "
                f"outputs, {tuple(outputs.shape)}; got {tuple(values.shape)}. For "
                "single labels use 'cross_entropy'."
            )

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,)."""
        raise TypeError(f"{type(self).__name__} must define rows(outputs, target).")

    def set_params(self, **params):
        """Set parameters; the weights of a module are initialised again."""
        super().set_params(**params)
        if params and isinstance(self, nn.Module):
            type(self).__init__(self, **self.get_params(deep=False))
        return self

    def __sklearn_clone__(self):
        if isinstance(self, nn.Module):
            return copy.deepcopy(self)
        return super().__sklearn_clone__()


def split_mask(target):
    """Values and mask of a masked target; of another one itself, and None."""
    if _looks_masked(target):
        observed = target["observed"]
        if isinstance(observed, torch.Tensor) and observed.dtype == torch.bool:
            return target["values"], observed
    return target, None


def _looks_masked(target):
    return isinstance(target, dict) and target.keys() == {"values", "observed"}


def _names_read(objective):
    return {*(names_in(objective.reads) or ())}


def check_mask(objective, target):
    """Check the values of a masked target, and the shape of its mask."""
    values, observed = split_mask(target)
    if not isinstance(values, torch.Tensor):
        raise_not_masked(objective, target)
    if observed.shape not in (values.shape, values.shape[:1]):
        raise ValueError(
            f"the mask of the target must have the shape {tuple(values.shape)} or "
            f"({len(values)},); got {tuple(observed.shape)}."
        )


def raise_not_masked(objective, target):
    """Raise an error for a dict that is not a masked target."""
    got = {
        name: f"{t.dtype} {tuple(t.shape)}"
        if isinstance(t, torch.Tensor)
        else type(t).__name__
        for name, t in target.items()
    }
    raise ValueError(
        f"objective {type(objective).__name__} needs a tensor as target, or a masked "
        "one, {'values': tensor, 'observed': mask}: the mask is a bool tensor, which "
        f"must have the shape of the values or (n_samples,); got {got}."
    )


def observed_samples(target):
    """Which samples of a target have an observed entry, (n_samples,); None is all."""
    observed = split_mask(target)[1]
    if observed is None or observed.ndim == 1:
        return observed
    return observed.flatten(1).any(1)


def counted_by(objective, target):
    """How often each sample counts in the mean of an objective; None is once each.

    Parameters
    ----------
    objective : callable
    target : Tensor, or dict of such
    """
    return getattr(objective, "counted", observed_samples)(target)


def over_entries(observed, values):
    """Return a mask of entries from a mask of samples or of entries."""
    if observed.ndim == values.ndim:
        return observed
    return observed.view(-1, *[1] * (values.ndim - 1)).expand_as(values)


def without_unobserved(outputs, observed):
    """Outputs that are finite and have no gradient where a target is not observed.

    The loss there is left out later, but a slope of NaN times zero would be NaN.
    """
    if not outputs.is_floating_point():
        return outputs
    constant = outputs.detach().nan_to_num(0.0, 0.0, 0.0)
    return torch.where(over_entries(observed, outputs), outputs, constant)


def masked_mean(losses, observed):
    """Mean of the losses of each sample over its observed entries; zero without any.

    Parameters
    ----------
    losses : Tensor, shape (n_samples, ...)
    observed : Tensor of bool, of the same shape
    """
    total = losses.masked_fill(~observed, 0.0).flatten(1).sum(1)
    return total / observed.flatten(1).sum(1).clamp(min=1)


def check_objective(objective):
    """Return an objective after checking how it can be called and its parameters.

    Raises
    ------
    TypeError
        If it is a class, or takes other arguments, like the losses of torch.nn.
    """
    cls = objective if inspect.isclass(objective) else type(objective)
    ours = next((name for other, name in OURS.items() if issubclass(cls, other)), None)
    if ours is not None:
        raise TypeError(
            f"objective {_shown(objective)} is a loss of torch.nn, which does not take "
            f"sample weights: use {ours!r}. {RULE}"
        )
    if inspect.isclass(objective):
        raise TypeError(
            f"objective must not be {_shown(objective)}. Pass an instance: "
            f"{cls.__name__}(). {RULE}"
        )
    if not callable(objective) or not _takes_three(objective):
        raise TypeError(
            "objective must accept (outputs, target, weight); got "
            f"{_shown(objective)}. {RULE}"
        )
    if hasattr(objective, "_validate_params"):
        objective._validate_params()
    return objective


def _shown(objective):
    is_class = inspect.isclass(objective)
    return f"the class {objective.__name__}" if is_class else repr(objective)


def _takes_three(objective):
    forwards = type(objective).__call__ is nn.Module.__call__
    call = objective.forward if forwards else objective
    try:
        inspect.signature(call).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def check_inner(objective):
    """Check an objective inside another one, which passes it a plain tensor."""
    check_objective(objective)
    if reads := names_in(getattr(objective, "reads", ())):
        raise ValueError(
            f"objective {type(objective).__name__} reads the outputs {list(reads)}, "
            "but here it gets one tensor. Use one that reads a tensor, such as "
            "'cross_entropy' or 'squared_error'."
        )


def check_scalar(loss, objective):
    """Return a loss after checking that it is a scalar tensor."""
    if isinstance(loss, torch.Tensor) and loss.ndim == 0:
        return loss
    raise TypeError(
        f"objective {objective!r} returned {_kind(loss)}, not a scalar. {RULE}"
    )


def _kind(value):
    is_tensor = isinstance(value, torch.Tensor)
    return f"shape {tuple(value.shape)}" if is_tensor else type(value).__name__


def validation_of(objective):
    """Return the objective of the validation set."""
    return getattr(objective, "validation", objective)


def modules_in(objective):
    """Modules in an objective and in the objectives that it contains.

    Returns
    -------
    list of Module
    """
    if isinstance(objective, nn.Module):
        return [objective]
    if isinstance(objective, (list, tuple)):
        return [module for part in objective for module in modules_in(part)]
    if isinstance(objective, BaseEstimator):
        return modules_in(list(objective.get_params(deep=False).values()))
    return []
