"""What makes a net a MulMix: a head per mixture, its loss, and what each one says."""

from numbers import Real

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import uniform

from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base import ClassifierFace, ModalityEstimator
from skmm.base.blocks_to_search import with_present
from skmm.base.parts_in_use import encoders_in_use
from skmm.data.validation import parts_in_use
from skmm.nn import MixtureFusion, MixtureHead
from skmm.nn.fusion.mixtures import choose_mixtures, names_of
from skmm.objectives import MultiplicativeLoss, OverCandidates
from skmm.training import predict_outputs

TEMPERATURES = np.log([0.05, 100.0])  # between which one is sought, as logarithms


class MulMix(ClassifierFace, ModalityEstimator):
    """All of `MulMixClassifier` but its parameters."""

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        **MixtureFusion._parameter_constraints,
        **MultiplicativeLoss._parameter_constraints,
        "candidate_weights": [dict, None],
        "head": [HasMethods("build"), None],
        "temperature": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"validation"}),
        ],
    }

    def _validate_params(self):
        super()._validate_params()
        if self.temperature == "validation" and not self.early_stopping:
            raise ValueError(
                'temperature="validation" is found on the rows that early stopping '
                "sets aside: it needs early_stopping=True."
            )

    def _training_space(self):
        """Beta from 0 to 1, as MulMix* is tuned in the paper, and how to merge."""
        merges = with_present(self.merge, ["sum", "mean", "concat"])
        beta = uniform(0.0, max(1.0, self.beta))
        return super()._training_space() | {"beta": beta, "merge": merges}

    # -- the net -------------------------------------------------------------------

    def _learn_target(self, y, weight=None, classes=None):
        target = super()._learn_target(y, weight, classes)
        if target.multilabel:
            raise ValueError(
                f"{type(self).__name__} needs one class per row; y has several labels "
                "per row. Use FusionClassifier, or fit one model per label "
                "(sklearn.multioutput.MultiOutputClassifier)."
            )
        return target

    def _make_module(self):
        self.mixtures_, self._weights = self._choose()
        fusion = MixtureFusion(self.mixtures_, merge=self.merge, width=self.width)
        head = MixtureHead(len(self.mixtures_), self.head)
        return self._assemble(encoders_in_use(self), fusion, head)

    def _n_outputs(self):
        return len(self.mixtures_) * super()._n_outputs()

    def _choose(self):
        """The mixtures that count, and their weights."""
        mixtures = self.mixtures
        if not isinstance(mixtures, str):
            mixtures = [tuple(mix) for mix in self._in_use(mixtures, "mixtures")]
        names = list(self.modalities_in_)
        mixtures = choose_mixtures(mixtures, names, self.max_order)
        given = self._given_weights(mixtures)
        weights = [given.get(frozenset(mix), 1.0) for mix in mixtures]
        kept = [(mix, w) for mix, w in zip(mixtures, weights, strict=True) if w]
        if not kept:
            raise ValueError("candidate_weights leaves no mixture: all are zero.")
        return [mix for mix, _ in kept], [weight for _, weight in kept]

    def _in_use(self, mixtures, what):
        """Those that have only modalities in use, as sets of names."""
        named = [names_of(mix) for mix in mixtures]
        met = sorted(frozenset().union(*named))
        used = parts_in_use(dict.fromkeys(met), self, what)
        kept = [mix for mix in named if mix <= used.keys()]
        if named and not kept and what == "mixtures":
            raise ValueError(
                f"none of the mixtures {list(mixtures)} has only modalities in use, "
                f"{list(self.modalities_in_)}."
            )
        return kept

    def _given_weights(self, mixtures):
        """`candidate_weights` by set of names, checked."""
        if self.candidate_weights is None:
            return {}
        known = {frozenset(mix) for mix in mixtures}
        in_use = self._in_use(self.candidate_weights, "candidate_weights")
        weights = {}
        for mix, weight in self.candidate_weights.items():
            mix = names_of(mix)
            if mix not in in_use:
                continue
            good = isinstance(weight, Real) and np.isfinite(weight) and weight >= 0
            if mix not in known or mix in weights or not good:
                raise ValueError(
                    "candidate_weights must have a finite number >= 0 for some of the "
                    f"mixtures {mixtures}, once each; got {tuple(mix)}: {weight!r}."
                )
            weights[mix] = float(weight)
        return weights

    def _objective(self):
        own = getattr(self, "objective", None)  # of a net that is being loaded
        return own if own is not None else self._own_objective()

    def _own_objective(self):
        weights = None if self.candidate_weights is None else self._weights
        loss = MultiplicativeLoss(
            self.beta, self.boosted, self.margin, self.detach, self.focal, weights
        )
        return OverCandidates(loss, len(self.mixtures_))

    def adopt(self, net, problem):
        """Take a trained net as one's own, and find the temperature.

        Parameters
        ----------
        net : TensorNet
        problem : Problem
            What it was trained on.

        Returns
        -------
        self
        """
        super().adopt(net, problem)
        if self.temperature != "validation":
            self.temperature_ = float(self.temperature)
        else:
            rows, target = problem.valid
            losses = self._class_losses(predict_outputs(net.module_, rows))
            weight = None if rows.weight is None else rows.weight.cpu()
            self.temperature_ = best_temperature(losses, target.cpu(), weight)
        return self

    # -- predictions ---------------------------------------------------------------

    def _outputs(self, X, method="forward"):
        """For `forward`, minus the losses of the classes, over the temperature."""
        outputs = super()._outputs(X, method)
        if method != "forward":
            return outputs
        return -self._class_losses(outputs) / self.temperature_

    def _class_losses(self, outputs):
        objective = self.net_.criterion
        return objective.objective.class_losses(objective.candidates(outputs.double()))

    def candidate_predict_proba(self, X):
        """Probabilities of the classes according to each mixture.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, C, n_classes)
            In the order of `mixtures_`; NaN where a row lacks a modality of it, unless
            it lacks one of every mixture.
        """
        return self._candidates(X).softmax(-1).transpose(0, 1).numpy()

    def answering_mixture(self, X):
        """Tell which mixture decided on each row, and how much it had to say.

        The share of a mixture is its factor in the loss of the predicted class, over
        the sum of those of all mixtures: the surer it is, the larger. With ``beta=0``
        all shares are equal, and the surest mixture is named. A row for which no
        mixture is complete is answered by one that it has a part of, or nothing.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        DataFrame of n rows
            mixture : tuple of str, that with the largest share; share : float in
            (0, 1]; probability : float, of the predicted class, according to it.
        """
        logits = self._candidates(X)
        loss = self.net_.criterion.objective
        chosen = loss.class_losses(logits).argmin(1).expand(len(logits), -1)[..., None]
        shares = loss.shares(logits).gather(2, chosen)[..., 0]  # (C, n)
        probability = logits.softmax(-1).gather(2, chosen)[..., 0].nan_to_num(-1.0)
        best = (shares + 1e-9 * probability).argmax(0, keepdim=True)
        return pd.DataFrame(
            {
                "mixture": [self.mixtures_[i] for i in best[0].tolist()],
                "share": shares.gather(0, best)[0].numpy(),
                "probability": probability.gather(0, best)[0].numpy(),
            }
        )

    def _candidates(self, X):
        """Logits (C, n, n_classes), in double precision."""
        outputs = super()._outputs(X).double()
        return self.net_.criterion.candidates(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


def best_temperature(losses, target, weight=None):
    """Temperature at which the softmax of -losses / T has the least log-loss.

    log T has a standard normal prior: where no row is wrong the least loss is at T = 0,
    and a few rows should not decide much.

    Parameters
    ----------
    losses : Tensor, shape (n, K)
        Of the classes.
    target : Tensor, shape (n,)
    weight : Tensor, shape (n,), optional
    """
    weight = torch.ones(len(target)) if weight is None else weight

    def cost(log_temperature):
        scores = -losses / np.exp(log_temperature)
        chosen = scores.log_softmax(1).gather(1, target[:, None])[:, 0]
        return -(chosen * weight).sum().item() + log_temperature**2 / 2

    found = minimize_scalar(cost, bounds=TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
