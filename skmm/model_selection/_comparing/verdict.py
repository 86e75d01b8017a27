"""The verdict in words."""

from skmm.model_selection._comparing.judging import HARMS, HELPS


def sentence(kind, pair, measure, observations, alpha):
    """Verdict, size, interval, and what was to be found with so many rows.

    Parameters
    ----------
    kind : str
    pair : Series
        Row of the paired table that decides.
    measure : str
    observations : str
        "rows", "groups" or "splits".
    alpha : float
    """
    level = f"{100 * (1 - alpha):g} % interval"
    interval = f"({level} {pair['lower']:.3g} to {pair['upper']:.3g})"
    gain, name, single = pair["gain"], pair["fused"], pair["against"]
    if kind == HELPS:
        text = (
            f"{name} is better than every single modality, and than the closest of "
            f"them, {single}, by {gain:.3g} {measure} {interval}, p = "
            f"{pair['p_helps']:.2g}."
        )
    elif kind == HARMS:
        text = (
            f"{name} is worse than {single} alone by {-gain:.3g} {measure} "
            f"(gain {gain:.3g}, {level} {pair['lower']:.3g} to {pair['upper']:.3g}), "
            f"p = {pair['p_harms']:.2g}."
        )
    else:
        text = (
            f"over the closest single modality, {single}, {name} gains {gain:.3g} "
            f"{measure} {interval}. This does not show that it is useless: with "
            f"{pair['observations']} {observations} a gain of {pair['detectable']:.2g} "
            "would have been found four times in five, a smaller one more rarely."
        )
    if observations == "splits":
        text += " The test goes by splits, and has little power."
    return f"{kind}: {text}"
