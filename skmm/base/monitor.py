"""The score of the validation set that early stopping follows."""

import inspect
from difflib import get_close_matches
from numbers import Real

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from skmm.data.finite import check_scorer_of_masked
from skmm.training.callbacks import LOSS, column_of


def scorer_of(monitor):
    """Return the scorer that the parameter `monitor` stands for, or None for "loss".

    Raises
    ------
    ValueError
        If there is no scorer of this name.
    """
    if monitor == LOSS or callable(monitor):
        return None if monitor == LOSS else monitor
    names = get_scorer_names()
    if monitor in names:
        return get_scorer(monitor)
    close = get_close_matches(monitor, [LOSS, *names], 1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f'monitor must be "loss", the name of a scorer of scikit-learn, or a callable '
        f"scorer(estimator, X, y); got {monitor!r}.{meant}"
    )


class Monitor:
    """Compute the score of a net in training on its validation set.

    Parameters
    ----------
    estimator : ModalityEstimator
        With its target, but maybe not yet fitted.
    scorer : callable
    X : TensorRows or ModalityDict
    y : ndarray
    weight : ndarray of shape (n_samples,) or None
    """

    def __init__(self, estimator, scorer, X, y, weight):
        self.estimator, self.scorer = estimator, scorer
        self.X, self.y, self.weight = X, y, weight
        self.name = estimator.monitor
        self.column = column_of(self.name)

    @classmethod
    def of(cls, estimator, valid, samples):
        """Make that of an estimator, or raise an error if there is no validation set.

        Parameters
        ----------
        estimator : ModalityEstimator
        valid : (TensorRows, Tensor) or None
        samples : Samples
            The same as `valid`, before they were encoded.
        """
        scorer, name = scorer_of(estimator.monitor), estimator.monitor
        if samples is not None:
            check_scorer_of_masked(name, samples.y, "monitor")
        if valid is None:
            raise ValueError(
                f"monitor={name!r} needs a validation set: use early_stopping=True, or "
                "pass validation_data to fit."
            )
        weight = samples.sample_weight
        if weight is not None and not _accepts_weight(scorer):
            raise ValueError(
                f"monitor={name!r} does not accept sample_weight; use another scorer, "
                "or fit without weights."
            )
        # a scorer of scikit-learn only passes X on to the prediction methods
        reads_rows = vars(type(estimator)).get("_predicts_from_embeddings")
        tensors = reads_rows and hasattr(scorer, "_score_func")
        X = valid[0] if tensors else samples.X
        return cls(estimator, scorer, X, _flat(samples.y, estimator), weight)

    def __call__(self, net):
        """Score of the net.

        Raises
        ------
        ValueError
            If the scorer fails, or its score is not a finite number.
        """
        weight = {} if self.weight is None else {"sample_weight": self.weight}
        model = self.estimator._in_training(net)
        try:
            score = self.scorer(model, self.X, self.y, **weight)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"monitor={self.name!r}: {error}") from error
        if not isinstance(score, Real) or not np.isfinite(score):
            raise ValueError(
                f"monitor={self.name!r} must give a finite number; got {score!r} for "
                f"the {len(self.y)} samples of the validation set. It may need more "
                "samples, by validation_fraction or validation_data."
            )
        return float(score)


def _flat(y, estimator):
    """Y in the shape of the predictions."""
    return y[:, 0] if getattr(estimator._target, "flat", None) is True else y


def _accepts_weight(scorer):
    function = getattr(scorer, "_score_func", scorer)
    parameters = inspect.signature(function).parameters.values()
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return any_name or "sample_weight" in {p.name for p in parameters}
