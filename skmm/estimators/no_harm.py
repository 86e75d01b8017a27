"""No-harm fusion: the best modality, and all as far as held-out rows speak for it."""

from numbers import Real

from skmm._sklearn import Interval, StrOptions
from skmm.estimators._no_harm.answers import ClassAnswers, ValueAnswers
from skmm.estimators._no_harm.base import NoHarm


class NoHarmFusionClassifier(ClassAnswers, NoHarm):
    """Classify by the best modality, and by all as far as held-out rows speak for it.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``. With ``guarantee=None`` the embeddings must have
        one width; nothing is trained if they have not.
    guarantee : {"crossfit", "holdout"} or None, default="crossfit"
        How harm is prevented. "crossfit" weighs the fused net against the best single
        one by their losses on rows of other folds. "holdout" tests on rows set aside.
        None is the thesis: one net with a no-harm factor, and no guarantee.
    factor : {"scalar", "vector"}, float, tuple or None, default=None
        With ``guarantee=None``: of ``NoHarmFusion``; None is "scalar". A tuple has
        one weight for each modality that is used; or, where `modalities` leaves some
        out, for all of X in its order: those in use are then scaled to sum to one.
        Where an earlier step of a Pipeline may leave some out, as after ``restrict``,
        set `modalities` to all names in the order of the weights.
    kind : {"arithmetic", "geometric"} or None, default=None
        With ``guarantee=None``: of ``NoHarmFusion``; None is "arithmetic".
    training : str or None, default=None
        With ``guarantee=None``: "freeze_all" trains each modality's net alone, then
        only factor and head; "freeze_<modality>" freezes the encoder of that one;
        "end_to_end" trains all from scratch. None is "freeze_all".
    pretraining : dict of str to dict or None, default=None
        Parameters of the nets of single modalities where they differ, as
        ``{"image": {"lr": 1e-4, "max_epochs": 150}}``: `head`, `optimizer`, `lr`,
        `weight_decay`, `lr_schedule`, `gradient_clip`, `batch_size`, `max_epochs`,
        `patience`.
    cv : int or splitter, default=5
        Folds. A number shuffles, stratifies classes (one with fewer rows than folds is
        not in all of them), and keeps `groups` together. A splitter that separates
        rows of one group is refused.
    n_init : int, default=1
        Nets per fold and modality, from different starts, which are averaged.
    z : float, default=1.0
        With "crossfit": standard errors between mean gain and its lower bound; 1.645
        is stricter.
    alpha : float, default=0.05
        With "holdout" the largest probability of harm, if rows are independent; the
        test weighs all rows the same. Intervals of the report are at the level
        1 - `alpha`.
    calibration_fraction : float, default=0.25
        With "holdout": share of the rows that is set aside.
    max_harm : float or None, default=None
        Nats by which the log-loss of a row may exceed that of the best single model
        (the next best where its modality is missing), whatever the data are: no weight
        above ``1 - exp(-max_harm)`` is used.
    head : Block or None, default=None
        Of the single nets; None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Use only these.
    optimizer, lr, weight_decay, lr_schedule : str, float, float, str or None
        Of all nets, as for ``FusionClassifier``; the fused ones are fine-tuned with a
        third of `lr`.
    gradient_clip, batch_size, max_epochs : float or None, int, int
        Of all nets, as for ``FusionClassifier``.
    early_stopping : bool, default=True
        Must be True but for ``guarantee=None``; without it the best modality there goes
        by training loss, which nets win that overfit.
    validation_fraction : float, default=0.2
        Share of the rows of each fold that early stopping sets aside; with `groups`
        about that share, in whole groups.
    patience : int, default=20
        Epochs without improvement before stopping.
    class_weight : dict, "balanced" or None, default=None
        Multiplies `sample_weight`, in training and as evidence.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one.
    random_state : int, RandomState or None, default=None
        Seeds of all nets are derived from it and from names.
    verbose : int, default=0
        1 shows a progress bar over the modalities.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    weight_ : float
        Weight of the fused nets, 0 to 1. At 0 the answer is that of the best modality.
    incomplete_weight_ : float
        The same in rows that lack a modality; with "crossfit" chosen on such rows
        alone, else `weight_`.
    lower_bound_ : float
        Lower bound of the gain in log-loss at `weight_`; 0 with "holdout", which
        shows a gain but not its size; NaN with ``guarantee=None``.
    best_modality_ : str
        The one whose nets have the lowest out-of-fold loss.
    ranking_ : list of str
        Modalities by that loss; a row without the best is answered by the next.
    modality_weights_ : dict of str to float
        Weights, summing to one, of the pool of single models with the least
        out-of-fold loss; with ``guarantee=None`` the factor's.
    oof_loss_ : dict of str to float
        Out-of-fold loss of every modality and of "fused". Not with ``guarantee=None``.
    oof_predictions_ : dict of str to ndarray of shape (n, n_classes)
        What the loss was computed from; NaN in rows that were not held out.
    unimodal_ : dict of str to list of FusionClassifier
        Nets of each modality, one per fold and start; one net with ``guarantee=None``.
    fused_ : list of FusionClassifier
        Fused nets, likewise.
    lambda_ : float or ndarray
        With ``guarantee=None``: weight of the second of two modalities, else of all.
    no_harm_report_, weight_curve_ : DataFrame
        How all candidates compare, and how the gain depends on the weight.
    calibration_rows_ : ndarray of int
        With "holdout", the rows that were set aside.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    FusionClassifier : one net, without any protection.

    Notes
    -----
    The candidate of each fold starts *exactly* at the best single net of that fold: it
    adds to its logits a correction, by a net on all embeddings, that starts at zero and
    is fine-tuned with early stopping that may go back to the start. The answer is
    ``(1 - w) p_best + w p_fused`` of the means over the folds, with the w whose gain in
    out-of-fold log-loss has the highest lower bound, and 0 if none is positive. Rows
    that lack a modality have a weight of their own: what fusion gains where all is
    known says little of them.

    What this promises is in the guide, docs/guide/no_harm.md.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.2.3: the factor. The
    other guarantees are of this package.

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

    _parameter_constraints = {
        **NoHarm._parameter_constraints,
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


class NoHarmFusionRegressor(ValueAnswers, NoHarm):
    """Predict by the best modality, and by all as far as held-out rows speak for it.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``.
    guarantee, factor, kind, training, pretraining : str or None, ...
        As for ``NoHarmFusionClassifier``, with squared error in place of log-loss.
    cv, n_init, z : int or splitter, int, float
        As for ``NoHarmFusionClassifier``.
    alpha, calibration_fraction : float, float
        As for ``NoHarmFusionClassifier``; "holdout" needs `loss_bound`.
    max_harm : float or None, default=None
        By how much the squared error of a row may exceed that of the best single
        model: no weight above ``max_harm / loss_bound`` is used. Needs `loss_bound`.
    loss_bound : float or None, default=None
        A bound of the squared error of any row and any model here, in squared units of
        y, that you know: squared error has none of its own.
    head, modalities, optimizer, lr, weight_decay, lr_schedule, gradient_clip : ...
        As for ``NoHarmFusionClassifier``.
    batch_size, max_epochs, early_stopping, validation_fraction, patience : ...
        As for ``NoHarmFusionClassifier``.
    device, random_state, verbose : ...
        As for ``NoHarmFusionClassifier``.

    Attributes
    ----------
    weight_, incomplete_weight_, lower_bound_, best_modality_, ranking_
        As for ``NoHarmFusionClassifier``; the bound is in squared units of y.
    modality_weights_, oof_loss_
        As for ``NoHarmFusionClassifier``; losses are squared errors in units of y.
    oof_predictions_ : dict of str to ndarray of shape (n, k)
    unimodal_, fused_, lambda_, no_harm_report_, weight_curve_, calibration_rows_
        As there.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionRegressor``.

    See Also
    --------
    FusionRegressor : one net, without any protection.

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

    _parameter_constraints = {
        **NoHarm._parameter_constraints,
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
