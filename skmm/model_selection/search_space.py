"""What is worth trying of any estimator, and drawing from it in a trial."""

from sklearn.base import clone

from skmm.base.search_space import search_space_of
from skmm.model_selection._tuning.spaces import Space


def default_search_space(estimator):
    """Search space of an estimator, a Pipeline or a meta-estimator.

    Every estimator of skmm has a method of this name; here the names get the prefixes
    of the steps that hold it.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    dict of str to list or frozen distribution
        For ``ModalitySearchCV``, ``RandomizedSearchCV`` and ``HalvingRandomSearchCV``.

    Raises
    ------
    TypeError
        If no part of the estimator has a search space.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmm import FusionClassifier
    >>> from skmm.model_selection import default_search_space
    >>> from skmm.preprocessing import ModalityTransformer
    >>> model = make_pipeline(ModalityTransformer({}), FusionClassifier())
    >>> list(default_search_space(model))[:2]
    ['fusionclassifier__lr', 'fusionclassifier__weight_decay']
    """
    space = search_space_of(estimator)
    if not space:
        raise TypeError(
            f"{type(estimator).__name__} has no search space, nor has any of its "
            'steps: give one, as {"alpha": loguniform(1e-4, 10)}.'
        )
    return space


def suggest(trial, space):
    """Draw parameters from a search space in a trial of an Optuna study.

    Parameters
    ----------
    trial : optuna.trial.Trial, FixedTrial or FrozenTrial
        With one that is finished, as ``study.best_trial``, what it has drawn.
    space : dict or list of dict
        Parameter names to lists of choices, frozen distributions of ``scipy.stats`` or
        distributions of Optuna. Of several dicts one is drawn first. In the study,
        choices that are no numbers or texts, as Blocks are, go by their repr.

    Returns
    -------
    dict of str to object
        For ``set_params``. Blocks are copies: to set ``fusion__hidden`` on one does not
        change the space.

    Raises
    ------
    ValueError, TypeError
        If something in the space cannot be drawn from, or two choices are the same.
    ImportError
        Without Optuna.

    Examples
    --------
    >>> import optuna
    >>> from scipy.stats import loguniform
    >>> from skmm.model_selection import suggest
    >>> from skmm.nn import ConcatFusion, MeanFusion
    >>> space = {
    ...     "lr": loguniform(1e-4, 1e-2), "fusion": [ConcatFusion(), MeanFusion(32)]
    ... }
    >>> trial = optuna.trial.FixedTrial({"lr": 0.01, "fusion": "MeanFusion(width=32)"})
    >>> suggest(trial, space)
    {'lr': 0.01, 'fusion': MeanFusion(width=32)}
    """
    return clone(Space(space).suggest(trial), safe=False)
