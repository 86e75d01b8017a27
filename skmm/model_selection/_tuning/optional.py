"""Optuna, which is needed for searches alone."""

MISSING = (
    "searching parameters needs Optuna, which is not installed: pip install "
    '"skmm[tune]", or pip install optuna. default_search_space() works without, with '
    "scikit-learn's RandomizedSearchCV."
)


def import_optuna():
    """Return the module.

    Raises
    ------
    ImportError
        With what to install.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(MISSING) from error
    return optuna
