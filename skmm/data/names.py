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


def _listed(names):
    return ", ".join(repr(name) for name in names)


def _meant(unknown, known):
    pairs = [(name, get_close_matches(str(name), known, 1)) for name in unknown]
    meant = [f"{close[0]!r} for {name!r}" for name, close in pairs if close]
    return f" Did you mean {', '.join(meant)}?" if meant else ""
