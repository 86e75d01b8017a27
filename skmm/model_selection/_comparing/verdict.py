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
            f"{name} gains {gain:.3g} {measure} {interval} over {single}, the closest "
            "single modality. " + _caution(pair, observations)
        )
    if observations == "splits":
        text += " The test goes by splits, and has little power."
    return f"{kind}: {text}"


def _caution(pair, observations):
    """What the lack of evidence does not mean."""
    if pair["standard_error"] == 0:
        return "All rows agree on that."
    text = (
        "This does not show that it is useless: with "
        f"{pair['observations']} {observations} a gain of {pair['detectable']:.2g} "
        "would have been found four times in five, a smaller one more rarely."
    )
    if pair["upper"] < 0:
        text += (
            " It may harm: by rows it is worse, but over the splits that is not sure "
            f"(p = {pair['p_harms']:.2g})."
        )
    return text
