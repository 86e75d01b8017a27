"""Errors for names that nobody knows, with the spelling that was probably meant."""

from difflib import get_close_matches


def check_names(names, known, what):
    """Raise a ValueError if any of `names` is not among `known`.

    Parameters
    ----------
    names, known : iterable of str
    what : str
        What the names are in, as "encoders" or "X"; opens the message.
    """
    known = list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{what}: unknown modality {_listed(unknown)}; the modalities are "
            f"{_listed(known)}.{_meant(unknown, known)}"
        )


def parts_in_use(parts, estimator, what):
    """Return those of `parts` whose modality the fitted estimator uses.

    Parameters
    ----------
    parts : dict
        By name of modality.
    estimator : estimator
        Its `modalities_in_` are used, its `feature_names_in_` known. If its parameter
        `modalities` selects all that X has, a step before it has selected too: other
        names may then be right, and are ignored.
    what : str
        As for `check_names`.

    Raises
    ------
    ValueError
        If a name is known to be wrong.
    """
    parts = {str(name): part for name, part in parts.items()}
    used = list(estimator.modalities_in_)
    known = list(getattr(estimator, "feature_names_in_", used))
    if estimator.modalities is None or set(known) != set(used):
        check_names(parts, known, what)
    return {name: part for name, part in parts.items() if name in used}


def check_labels(labels, what):
    """Raise a ValueError if two things have one label: a result would be lost.

    Parameters
    ----------
    labels : list of str
        Made of the names of modalities.
    what : str
        What the labels are of; opens the message.
    """
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(
            f"{what}: the names of the modalities make {_listed(twice)} stand for two "
            "things. Rename a modality."
        )


def _listed(names):
    return ", ".join(repr(name) for name in names)


def _meant(unknown, known):
    pairs = [(name, get_close_matches(str(name), known, 1)) for name in unknown]
    meant = [f"{close[0]!r} for {name!r}" for name, close in pairs if close]
    return f" Did you mean {', '.join(meant)}?" if meant else ""
