"""No-harm fusion: the best modality, fused with the others as evidence allows."""

import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skmm._params import NestedParams, unchanged_on_error
from skmm._random import base_seed
from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base.diagram import parts_block
from skmm.base.estimator import ModalityEstimator
from skmm.base.mixins import joined_by_row
from skmm.base.search_space import of_estimator, of_training
from skmm.base.validation_split import NOT_STRATIFIED
from skmm.data import check_modalities
from skmm.data.unseen import UNSEEN
from skmm.data.validation import check_names, check_target, with_target
from skmm.estimators.no_harm import guarantees
from skmm.estimators.no_harm.crossfit import (
    CrossFit,
    Samples,
    as_list,
)
from skmm.estimators.no_harm.display import NoHarmDisplay
from skmm.estimators.no_harm.evidence import mixture
from skmm.estimators.no_harm.task import ClassificationTask, RegressionTask
from skmm.estimators.no_harm.thesis import (
    factor_space,
    fit_thesis,
    of_equal_widths,
)
from skmm.nn.fusion.no_harm import kept_weights
from skmm.persistence.saving import Fitted, fitted_attributes, set_attributes
from skmm.persistence.states import savable
from skmm.targets.classes import read_classes
from skmm.targets.values import read_values

# in single folds
EXPECTED = (NOT_STRATIFIED, "The least populated class in y has only", UNSEEN)
FIT = {
    "crossfit": guarantees.fit_crossfit,
    "holdout": guarantees.fit_holdout,
    None: fit_thesis,
}


@savable
class BaseNoHarmFusion(NestedParams, BaseEstimator):
    """Fit and predict; a final class reads targets and names its task."""

    class_weight = None  # a parameter of the classifier
    _nested = ("encoders",)
    _by_modality = ("encoders", "pretraining")  # dicts by name of modality
    _by_part = ("lr", "weight_decay")  # dicts by part of the net
    _fitted_by = "weight_"
    __metadata_request__fit = {"groups": True}
    _argument_advice = {
        "validation_data": "Models are compared on held-out samples of X: give all "
        "samples as X and y, and choose by guarantee, cv and validation_fraction how "
        "they are held out."
    }
    _private = ("_cells", "_curve", "_report", "_mode", "_seed", "_flat")  # set by fit

    # parameters that only some guarantees use, with their defaults
    _guarantee_params = {
        "crossfit": {"cv": 5, "n_init": 1, "z": 1.0, "alpha": 0.05},
        "holdout": {"cv": 5, "n_init": 1, "alpha": 0.05, "calibration_fraction": 0.25},
        None: {"factor": None, "kind": None, "training": None},
    }

    _parameter_constraints = {
        **{
            name: ModalityEstimator._parameter_constraints[name]
            for name in (
                "encoders head modalities optimizer weight_decay lr_schedule "
                "gradient_clip batch_size max_epochs validation_fraction patience "
                "random_state verbose"
            ).split()
        },
        "guarantee": [StrOptions({"crossfit", "holdout"}), None],
        "factor": [StrOptions({"scalar", "vector"}), Real, tuple, list, None],
        "kind": [StrOptions({"arithmetic", "geometric"}), None],
        "training": [str, None],
        "pretraining": [dict, None],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods("split")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "z": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "max_harm": [Interval(Real, 0, None, closed="neither"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
    }

    @unchanged_on_error
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Fit single-modality and fused nets, and choose the weight of the latter.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality may be missing in some samples.
        y : array-like of shape (n_samples,) or, for regressors, (n_samples, n_targets)
            Several targets may have NaN where they were not measured; held-out losses
            are then means over the measured ones.
        sample_weight : array-like of shape (n_samples,), default=None
            Used in training and in the held-out losses.
        groups : array-like of shape (n_samples,), default=None
            Samples of one group stay in one fold, and are one unit of evidence. Groups
            count equally, or by the sum of their weights if there are any, of
            `sample_weight` or `class_weight`; with "holdout" always equally. A splitter
            given as `cv` must keep groups together too. Early stopping uses
            groups that a net is not trained on; if it is trained on a single group, it
            uses other samples of that group, with a warning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is set that `guarantee` does not use, X and y do not match,
            or folds separate samples of one group.
        """
        self._forget()
        self._validate_params()
        guarantees.check_parameters(self, self._guarantee_params)
        X, y = with_target(X) if y is None else (X, y)
        X = check_modalities(X, self, modalities=self.modalities)
        y = check_target(self, y, len(X), X, sample_weight=sample_weight, groups=groups)
        samples = Samples.read(X, self._read_target(y), sample_weight, groups)
        self._learn_target(samples.y)
        guarantees.check_enough(self, samples.y)
        task = self._task()
        task.check_parameters()
        guarantees.check_names_in(X, self)
        with warnings.catch_warnings():
            for message in EXPECTED:
                warnings.filterwarnings("ignore", message, UserWarning)
            fit, seed = FIT[self.guarantee], base_seed(self.random_state)
            fitted = fit(self, task, samples, seed)
        vars(self).update(fitted, _mode=self.guarantee)
        guarantees.note_modalities(self)
        return self

    def _forget(self):
        """Remove the attributes of an earlier fit, so that a failed one leaves none."""
        for name in list(vars(self)):
            public = name.endswith("_") and not name.startswith("_")
            if public or name in self._private:
                delattr(self, name)

    def _uses_groups(self):
        return self.guarantee is not None or self.early_stopping

    def _task(self):
        return self._task_class(self)

    # -- predictions ---------------------------------------------------------------

    def _nets(self):
        """The fitted nets of all folds."""
        task, cells = self._task(), self._cells
        return CrossFit.from_attributes(task, self.unimodal_, self.fused_, cells)

    def _predict(self, X):
        """Predictions of the mixture that was chosen."""
        check_is_fitted(self, "weight_")
        X, nets = check_modalities(X, self, reset=False), self._nets()
        weights = {self.weight_, self.incomplete_weight_}
        if weights == {1}:
            return nets.mean(nets.predict_fused, X)
        reference = nets.reference(X, self.ranking_, self.prior_)
        if weights == {0}:
            return reference
        complete = guarantees.complete_rows(X.present)
        weight = np.where(complete, self.weight_, self.incomplete_weight_)[:, None]
        return mixture(reference, nets.mean(nets.predict_fused, X), weight)

    def _predict_candidates(self, X):
        check_is_fitted(self, "weight_")
        X = check_modalities(X, self, reset=False)
        return self._nets().predict_candidates(X)

    # -- reports -------------------------------------------------------------------

    @property
    def no_harm_report_(self):
        """Comparison of each candidate with the best modality.

        A DataFrame with one row per model: the mean `loss` on held-out samples; the
        `gain`, by how much the loss is lower than that of the best modality, or of the
        next best where it is missing (a negative gain is harm); its `standard_error`;
        an approximate interval from `lower` to `upper` at the level 1 - `alpha`; and
        `rows_without`, the number of samples in which the modality is missing.

        Intervals are for the nets of one fold, and ignore that the weight of "deployed"
        was chosen on the same samples. With `groups` the gain is a mean over groups,
        weighted like in `fit`, the loss a mean over samples. With ``guarantee=None``
        losses are validation losses, or training losses without early stopping.
        """
        check_is_fitted(self, "weight_")
        return pd.DataFrame(self._report)

    @property
    def weight_curve_(self):
        """Gain of every weight that was tried, with its standard error and bound.

        A DataFrame; `certain` is the lower bound of the gain with "crossfit", the
        e-value with "holdout". With "crossfit" it is computed on the samples with all
        modalities, if there are both kinds.
        """
        check_is_fitted(self, "weight_")
        if self._mode is None:
            raise AttributeError("with guarantee=None no weight was chosen.")
        return pd.DataFrame(self._curve)

    @property
    def history_(self):
        """With ``guarantee=None``: losses and weights of the fused net by epoch."""
        check_is_fitted(self, "weight_")
        if self._mode is not None or not self.fused_:
            raise AttributeError(
                "history_ exists for a single fused net only, with guarantee=None; "
                "each net in unimodal_ and fused_ has its own history_."
            )
        return self.fused_[0].history_

    def no_harm_display(self, axes=None):
        """Draw the gains over the best modality, and the curve of the weight.

        With ``guarantee=None``, the path of the factor replaces the curve.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        NoHarmDisplay
            With the attributes `axes_` and `figure_`.
        """
        check_is_fitted(self, "weight_")
        return NoHarmDisplay.from_estimator(self).plot(axes)

    # -- saving, searching, scikit-learn -------------------------------------------

    def _saved(self):
        singles = {name: _as_fitted(models) for name, models in self.unimodal_.items()}
        fused = _as_fitted(self.fused_)
        return {**fitted_attributes(self), "unimodal_": singles, "fused_": fused}

    def _restore(self, attributes):
        return set_attributes(self, attributes)

    def _probe(self):
        members = [m for models in self.unimodal_.values() for m in as_list(models)]
        return [out for m in [*members, *self.fused_] for out in m._probe()]

    def _cut_to(self, names):
        """Return parameters that change with a selection of `modalities`."""
        given, factor = self.modalities, self.factor
        if given is None or not isinstance(factor, (tuple, list)):
            return {}
        given = [str(name) for name in given]
        check_names(names, given, "names")
        return {"factor": kept_weights(factor, given, names)}

    def _training_space(self):
        """Numbers of training; with ``guarantee=None`` also the factor."""
        return of_training(self) | factor_space(self)

    def default_search_space(self):
        """Parameters worth searching: a dict for ``RandomizedSearchCV`` and the like.

        Returns
        -------
        dict of str to list or frozen distribution
            Names are those of ``set_params``. With ``guarantee=None`` and one encoder
            per modality their widths, which must be equal, are left out.

        See Also
        --------
        skmm.model_selection.ModalitySearchCV : Searches it.
        """
        return of_equal_widths(self, of_estimator(self))

    def _sk_visual_block_(self):
        return parts_block(self, "encoders")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _as_fitted(models):
    """Mark one fitted model, or each of a list, as fitted for `save`."""
    return [*map(Fitted, models)] if isinstance(models, list) else Fitted(models)


class NoHarmFusionClassifier(ClassifierMixin, BaseNoHarmFusion):
    """Interpolate between the best single-modality model and the fused model.

    The weight of the fused model is chosen on held-out samples; without evidence that
    fusion helps it is 0, and the predictions are those of the best modality.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        See :class:`FusionClassifier`. With ``guarantee=None`` all encoders must have
        one output width; otherwise nothing is trained.
    guarantee : {"crossfit", "holdout"} or None, default="crossfit"
        How harm is prevented. "crossfit" compares out-of-fold losses, on samples that
        the nets are not trained on, of the fused nets and the best single nets.
        "holdout" tests on samples that are set aside. None is the method of the thesis
        (Liu, 2022): one net with a no-harm factor λ, without a guarantee.
    factor : {"scalar", "vector"}, float, tuple or None, default=None
        With ``guarantee=None``: see :class:`skmm.nn.NoHarmFusion`; None is "scalar". A
        tuple has one weight for each modality that is used, or for each modality of X:
        the weights of those in `modalities` are then scaled to sum to one. If an
        earlier step of a Pipeline may leave modalities out, such as after
        :func:`restrict`, set `modalities` to all names in the order of the weights.
    kind : {"arithmetic", "geometric"} or None, default=None
        With ``guarantee=None``: see :class:`skmm.nn.NoHarmFusion`; None is
        "arithmetic".
    training : str or None, default=None
        With ``guarantee=None``: "freeze_all" trains the net of each modality, then only
        the factor and the head; "freeze_<modality>" freezes the encoder of that
        modality; "end_to_end" trains everything from scratch. None is "freeze_all".
    pretraining : dict of str to dict or None, default=None
        Parameters of the single-modality nets where they differ, such as
        ``{"image": {"lr": 1e-4, "max_epochs": 150}}``. Keys: `head`, `optimizer`, `lr`,
        `weight_decay`, `lr_schedule`, `gradient_clip`, `batch_size`, `max_epochs`,
        `patience`.
    cv : int or splitter, default=5
        Folds. A number shuffles, stratifies classes (a class with fewer samples than
        folds is absent from some) and keeps `groups` together. A splitter that
        separates samples of one group raises an error.
    n_init : int, default=1
        Number of nets per fold and modality, with different initial weights, whose
        predictions are averaged.
    z : float, default=1.0
        With "crossfit": number of standard errors between the mean gain and its lower
        bound; 1.645 is stricter.
    alpha : float, default=0.05
        With "holdout": largest probability of harm, if samples are independent; the
        test ignores `sample_weight`. Intervals of the report have level 1 - `alpha`.
    calibration_fraction : float, default=0.25
        With "holdout": fraction of the samples that is set aside.
    max_harm : float or None, default=None
        Largest excess, in nats, of the log-loss of any sample over that of the best
        single model, or of the next best where its modality is missing. Holds for any
        data, since weights above ``1 - exp(-max_harm)`` are not used.
    head : Block or None, default=None
        Head of the single-modality nets; None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Names of the modalities to use; None uses all.
    optimizer, lr, weight_decay, lr_schedule : str, float, float, str or None
        Of all nets, see :class:`FusionClassifier`; fused nets are fine-tuned with a
        third of `lr`.
    gradient_clip, batch_size, max_epochs : float or None, int, int
        Of all nets, see :class:`FusionClassifier`.
    early_stopping : bool, default=True
        May be False only with ``guarantee=None``; modalities are then ranked by
        training loss, which favours nets that overfit.
    validation_fraction : float, default=0.2
        Fraction of the samples of each fold used for early stopping; with `groups`,
        whole groups of about that size.
    patience : int, default=20
        Epochs without improvement before stopping.
    class_weight : dict, "balanced" or None, default=None
        Multiplies `sample_weight`, in training and in held-out losses.
    device : str or torch.device, default="auto"
        "auto" is CUDA if available.
    random_state : int, RandomState or None, default=None
        Seeds of all nets are derived from it and from the modality names.
    verbose : int, default=0
        1 shows a progress bar over the modalities.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    weight_ : float
        Weight of the fused nets, from 0 (the best modality alone) to 1.
    incomplete_weight_ : float
        The weight for samples in which a modality is missing. With "crossfit" it is
        chosen on such samples, otherwise it equals `weight_`.
    lower_bound_ : float
        Lower bound of the gain in log-loss at `weight_`. It is 0 with "holdout", whose
        tests do not estimate the size of the gain; NaN with ``guarantee=None``.
    best_modality_ : str
        The modality whose nets have the lowest out-of-fold loss.
    ranking_ : list of str
        Modalities by that loss. Where the best modality is missing, the next best one
        predicts.
    modality_weights_ : dict of str to float
        Weights of the weighted mean of the single models with the lowest out-of-fold
        loss; they sum to one. With ``guarantee=None``, weights of the factor.
    oof_loss_ : dict of str to float
        Out-of-fold loss of every modality and of "fused". Not with ``guarantee=None``.
    oof_predictions_ : dict of str to ndarray of shape (n_samples, n_classes)
        The out-of-fold predictions; NaN for samples that were not held out.
    unimodal_ : dict of str to list of FusionClassifier
        Nets of each modality, one per fold and initialisation; with ``guarantee=None``
        a single net each.
    fused_ : list of FusionClassifier
        Fused nets.
    lambda_ : float or ndarray
        With ``guarantee=None``: weight of the second of two modalities; of more, all
        weights.
    no_harm_report_, weight_curve_ : DataFrame
        Comparison of all candidates, and the gain as a function of the weight.
    calibration_rows_ : ndarray of int
        With "holdout": indices of the samples that were set aside.
    modalities_seen_ : list of str
        Modalities with a model; the others count as missing in predictions.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    FusionClassifier : One net, without any protection.

    Notes
    -----
    The *gain* is by how much the held-out loss is lower than that of the best modality.

    The fused net of each fold starts *exactly* at the best single net of that fold: it
    adds to its logits a correction, computed from all embeddings, that starts at zero.
    It is fine-tuned with early stopping, which may return to the start. The prediction
    is ``(1 - w) p_best + w p_fused``, of means over the folds, with the w whose gain in
    out-of-fold log-loss has the highest lower bound, and w = 0 if no bound is positive.
    Samples with a missing modality have a weight of their own, since the gain where all
    modalities are present need not hold for them.

    What is guaranteed, and what is not, is explained in the user guide on no-harm
    fusion.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.2.3: the factor λ of
    ``guarantee=None``. The other guarantees are specific to this package; "holdout"
    tests by betting (Waudby-Smith and Ramdas, "Estimating means of bounded random
    variables by betting", 2024).

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import NoHarmFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"good": rng.normal(size=(100, 3)), "noise": rng.normal(size=(100, 20))}
    >>> y = X["good"][:, 0] > 0
    >>> model = NoHarmFusionClassifier(random_state=0).fit(X, y)
    >>> model.best_modality_, model.predict_proba(X).shape
    ('good', (100, 2))
    """

    score = joined_by_row(ClassifierMixin.score)
    _task_class = ClassificationTask

    _parameter_constraints = {
        **BaseNoHarmFusion._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        encoders=None,
        *,
        guarantee="crossfit",
        factor=None,
        kind=None,
        training=None,
        pretraining=None,
        cv=5,
        n_init=1,
        z=1.0,
        alpha=0.05,
        calibration_fraction=0.25,
        max_harm=None,
        head=None,
        modalities=None,
        optimizer="adamw",
        lr=3e-3,
        weight_decay=1e-3,
        lr_schedule=None,
        gradient_clip=None,
        batch_size=32,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.2,
        patience=20,
        class_weight=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def _read_target(self, y):
        return read_classes(y, self)

    def _learn_target(self, y):
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {self.classes_.tolist()[0]!r}."
            )

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._predict(X)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        best = self._predict(X).argmax(axis=1)
        return self.classes_[best]

    def candidate_predict_proba(self, X):
        """Predict class probabilities by the nets of each modality and the fused nets.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes)
            The shares of the classes where the modality is missing.
        """
        return self._predict_candidates(X)


class NoHarmFusionRegressor(RegressorMixin, BaseNoHarmFusion):
    """Interpolate between the best single-modality model and the fused model.

    The weight of the fused model is chosen on held-out samples; without evidence that
    fusion helps it is 0, and the predictions are those of the best modality.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        See :class:`NoHarmFusionClassifier`.
    guarantee, factor, kind, training, pretraining : str or None, ...
        See :class:`NoHarmFusionClassifier`, with squared error instead of log-loss.
    cv, n_init, z : int or splitter, int, float
        See :class:`NoHarmFusionClassifier`.
    alpha, calibration_fraction : float, float
        See :class:`NoHarmFusionClassifier`; "holdout" needs `loss_bound`.
    max_harm : float or None, default=None
        Largest excess of the squared error of any sample over that of the best single
        model. Weights above ``max_harm / loss_bound`` are not used. Needs `loss_bound`.
    loss_bound : float or None, default=None
        Upper bound of the squared error of every sample, in squared units of y. It must
        be known in advance, since the squared error itself is unbounded.
    head, modalities, optimizer, lr, weight_decay, lr_schedule, gradient_clip : ...
        See :class:`NoHarmFusionClassifier`.
    batch_size, max_epochs, early_stopping, validation_fraction, patience : ...
        See :class:`NoHarmFusionClassifier`.
    device, random_state, verbose : ...
        See :class:`NoHarmFusionClassifier`.

    Attributes
    ----------
    weight_, incomplete_weight_, lower_bound_, best_modality_, ranking_
        See :class:`NoHarmFusionClassifier`; the bound is in squared units of y.
    modality_weights_, oof_loss_
        See :class:`NoHarmFusionClassifier`; losses are squared errors in squared units
        of y.
    oof_predictions_ : dict of str to ndarray of shape (n_samples, n_targets)
    unimodal_, fused_, lambda_, no_harm_report_, weight_curve_, calibration_rows_
        See :class:`NoHarmFusionClassifier`.
    modalities_seen_ : list of str
        Modalities with a model; the others count as missing in predictions.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionRegressor`.

    See Also
    --------
    FusionRegressor : One net, without any protection.

    References
    ----------
    See :class:`NoHarmFusionClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import NoHarmFusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = {"good": rng.normal(size=(100, 3)), "noise": rng.normal(size=(100, 20))}
    >>> y = 10 * X["good"][:, 0]
    >>> model = NoHarmFusionRegressor(random_state=0).fit(X, y)
    >>> model.best_modality_, model.predict(X).shape
    ('good', (100,))
    """

    score = joined_by_row(RegressorMixin.score)
    _task_class = RegressionTask

    _parameter_constraints = {
        **BaseNoHarmFusion._parameter_constraints,
        "loss_bound": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        encoders=None,
        *,
        guarantee="crossfit",
        factor=None,
        kind=None,
        training=None,
        pretraining=None,
        cv=5,
        n_init=1,
        z=1.0,
        alpha=0.05,
        calibration_fraction=0.25,
        max_harm=None,
        loss_bound=None,
        head=None,
        modalities=None,
        optimizer="adamw",
        lr=3e-3,
        weight_decay=1e-3,
        lr_schedule=None,
        gradient_clip=None,
        batch_size=32,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.2,
        patience=20,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def _read_target(self, y):
        y = read_values(y)
        self._flat = y.ndim == 1
        return y

    def _learn_target(self, y):
        """Values need nothing."""

    def predict(self, X):
        """Predict values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets), the same as y
        """
        values = self._predict(X)
        return values[:, 0] if self._flat else values

    def candidate_predict(self, X):
        """Predict values by the nets of each modality and the fused nets.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_targets)
            The mean of y where the modality is missing.
        """
        return self._predict_candidates(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
