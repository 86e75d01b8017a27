"""What differs between classification and regression: nets, predictions, losses."""

import numpy as np
from tqdm.auto import tqdm

from skmm._random import derive
from skmm.base.training_data import combined_weight, mean_one
from skmm.base.validation_split import split_samples, validation_groups
from skmm.data.finite import by_output, check_measured, measured_entries, negative_log
from skmm.data.validation import parts_in_use
from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.targets.values import ValueTarget


class Task:
    """Make nets with the parameters of a no-harm estimator; compute their losses.

    Parameters
    ----------
    params : estimator
        The no-harm estimator after it has read X and y; only read here.
    """

    net_params = (
        "head",
        "optimizer",
        "lr",
        "weight_decay",
        "lr_schedule",
        "gradient_clip",
        "batch_size",
        "max_epochs",
        "early_stopping",
        "validation_fraction",
        "patience",
        "device",
    )
    classes = None

    def __init__(self, params):
        self.params = params

    def check_parameters(self):
        """Raise a ValueError if `pretraining` has parameters that all nets share."""
        shared = {"early_stopping", "validation_fraction", "device"}
        allowed = {*self.net_params} - shared
        for name, own in self._pretraining().items():
            unknown = {*own} - allowed if isinstance(own, dict) else {repr(own)}
            if unknown:
                raise ValueError(
                    f"pretraining[{name!r}] must be a dict with keys from "
                    f"{sorted(allowed)}; got {sorted(unknown)}."
                )

    def _pretraining(self):
        return parts_in_use(self.params.pretraining or {}, self.params, "pretraining")

    def validation_rows(self, y, seed, groups=None):
        """Indices set aside for early stopping; whole groups if there are two."""
        fraction, seed = self.params.validation_fraction, derive(seed, "validation")
        labels = None if self.classes is None else y
        if groups is not None and len(np.unique(groups)) > 1:
            return validation_groups(groups, labels, fraction, seed)
        return split_samples(len(y), fraction, labels, seed)[1]

    def evidence_weight(self, y, weight):
        """Weights of the samples in held-out losses, or None."""
        return combined_weight(len(y), y, weight, self.params.class_weight)

    def make_net(self, encoders, seed, **changes):
        """Unfitted estimator of one net."""
        shared = {name: getattr(self.params, name) for name in self.net_params}
        return self.net_class(encoders, random_state=seed, **{**shared, **changes})

    def make_single(self, name, seed):
        """Unfitted estimator of one modality."""
        own = self._pretraining().get(name, {})
        return self.make_net(self.encoder(name), seed, **own)

    def encoder(self, name):
        """Template of one modality's encoder, or None."""
        given = self.params.encoders
        if not isinstance(given, dict):
            return given
        return parts_in_use(given, self.params, "encoders").get(name)

    def progress(self, names):
        """Iterate over the modalities, with a progress bar if verbose."""
        return tqdm(list(names), unit="modality", disable=not self.params.verbose)


class ClassificationTask(Task):
    """Class probabilities and the log-loss."""

    net_class = FusionClassifier

    def __init__(self, params):
        super().__init__(params)
        self.classes = params.classes_

    def make_net(self, encoders, seed, **changes):
        """Unfitted estimator of one net."""
        weight = {"class_weight": self.params.class_weight}
        return super().make_net(encoders, seed, **{**weight, **changes})

    def prior(self, y, weight):
        """Shares of the classes."""
        numbers = np.searchsorted(self.classes, y)
        counts = np.bincount(numbers, weight, minlength=len(self.classes))
        return counts / counts.sum()

    def predict(self, model, X):
        """Probabilities of shape (n_samples, n_classes)."""
        return model.predict_proba(X)

    def outputs(self, model, X):
        """Logits of shape (n_samples, n_classes)."""
        return model._outputs(X).double().numpy()

    def prior_outputs(self, prior):
        """Logits of the class shares."""
        return np.log(np.maximum(prior, 1e-6))

    def scaling(self, y, weight):
        """None: logits have the same scale in every net."""

    def scaled(self, outputs, scaling):
        """Logits, unchanged."""
        return outputs

    def loss_of(self, y):
        """Return a function from probabilities to the loss of each sample."""
        rows, true = np.arange(len(y)), np.searchsorted(self.classes, y)
        return lambda proba: negative_log(proba[rows, true])

    def largest_weight(self):
        """Largest weight of the fused nets that `max_harm` allows."""
        max_harm = self.params.max_harm
        return 1.0 if max_harm is None else float(-np.expm1(-max_harm))

    def worst_loss(self, weights):
        """Most that a mixture with each weight can add to the log-loss of a sample."""
        return -np.log1p(-weights)

    def check_loss_bound(self, losses):
        """The log-loss needs no bound."""


class RegressionTask(Task):
    """Predicted values and the squared error."""

    net_class = FusionRegressor

    def check_parameters(self):
        """Raise a ValueError if `loss_bound` is missing or unused, too."""
        super().check_parameters()
        bound, params = self.params.loss_bound, self.params
        needed = params.guarantee == "holdout" or params.max_harm is not None
        if bound is not None and not needed:
            raise ValueError(
                "loss_bound is only used when max_harm is set or guarantee='holdout'; "
                f"got loss_bound={bound:g} with max_harm=None and guarantee="
                f"{params.guarantee!r}. Leave loss_bound at None."
            )
        if needed and bound is None:
            raise ValueError(
                "loss_bound must be set with guarantee='holdout' or max_harm, since "
                "the squared error is unbounded; got loss_bound=None. Set it to the "
                "largest squared error that a sample can have."
            )

    def evidence_weight(self, y, weight):
        """Weights of the samples in held-out losses: of their measured targets."""
        measured = measured_entries(y)
        if measured is None:
            return combined_weight(len(y), y, weight)
        counts = measured.sum(axis=1)
        return counts.astype(float) if weight is None else weight * counts

    def prior(self, y, weight):
        """Mean of each target."""
        if measured_entries(y) is None:
            return np.atleast_1d(np.average(y, axis=0, weights=weight))
        check_measured(y, weight)
        found = by_output(y, y, weight)
        return np.array([np.average(true, weights=own) for true, _, own in found])

    def predict(self, model, X):
        """Values of shape (n_samples, n_targets)."""
        values = model.predict(X)
        return values.reshape(len(values), -1)

    outputs = predict

    def prior_outputs(self, prior):
        """Means, unchanged."""
        return prior

    def scaling(self, y, weight):
        """Mean and scale of the targets that a net is trained on."""
        return ValueTarget.learn(y, mean_one(weight))

    def scaled(self, outputs, scaling):
        """Values on the standardised scale of a net's outputs."""
        return (outputs - scaling.mean) / scaling.scale

    def loss_of(self, y):
        """Return a function from values to the loss of each sample."""
        columns, measured = y.reshape(len(y), -1), measured_entries(y)
        if measured is None:
            return lambda values: ((values - columns) ** 2).mean(axis=1)
        filled, counts = np.where(measured, columns, 0.0), measured.sum(axis=1)
        return lambda values: (((values - filled) ** 2) * measured).sum(axis=1) / counts

    def largest_weight(self):
        """Largest weight of the fused nets that `max_harm` allows."""
        max_harm = self.params.max_harm
        return 1.0 if max_harm is None else min(1.0, max_harm / self.params.loss_bound)

    def worst_loss(self, weights):
        """Most that a mixture with each weight can add to the error of a sample."""
        return weights * self.params.loss_bound

    def check_loss_bound(self, losses):
        """Raise a ValueError if a held-out sample exceeds `loss_bound`."""
        largest, bound = (
            max(float(loss.max()) for loss in losses),
            self.params.loss_bound,
        )
        if bound is not None and largest > bound:
            raise ValueError(
                "loss_bound must be at least as large as every squared error; got "
                f"loss_bound={bound:g}, but a held-out sample has a squared error of "
                f"{largest:g}. Increase loss_bound."
            )
