"""Plots and the HTML report of a comparison."""

import base64
import importlib.util
import io
from html import escape

from skmm._plotting import axes_of, close, plain

STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto}"
    "table{border-collapse:collapse}td,th{padding:.2em .6em;text-align:right}"
    "tr:nth-child(even){background:#f2f2f2}"
)


def draw(comparison, kind, axes=None):
    """Draw one table of a comparison, and return the axes."""
    draws = {
        "bars": (_draw_bars, comparison.table),
        "paired": (_draw_paired, comparison.paired),
        "shapley": (_draw_importance, comparison.importance),
    }
    if kind not in draws:
        raise ValueError(f"kind must be one of {list(draws)}; got {kind!r}.")
    draw_table, table = draws[kind]
    return draw_table(table, comparison.measure, axes)


def _draw_bars(table, label, axes):
    """Means of all subsets, with intervals."""
    (axis,) = axes_of(1, axes, size=(6.0, 1.0 + 0.35 * len(table)))
    rows = table.iloc[::-1]
    spread = [rows["mean"] - rows["lower"], rows["upper"] - rows["mean"]]
    places = range(len(rows))
    axis.barh(places, rows["mean"], xerr=spread, alpha=0.7, capsize=3)
    axis.set(yticks=places, yticklabels=plain(rows.index), xlabel=label)
    return axis


def _draw_paired(paired, label, axes):
    """Gains of all modalities over singles and controls, with intervals."""
    rows = paired[paired["fused"] == paired["fused"].iloc[-1]].iloc[::-1]
    (axis,) = axes_of(1, axes, size=(6.0, 1.0 + 0.35 * len(rows)))
    spread = [rows["gain"] - rows["lower"], rows["upper"] - rows["gain"]]
    axis.axvline(0, color="black", linewidth=0.8)
    axis.errorbar(rows["gain"], range(len(rows)), xerr=spread, fmt="o")
    names = plain(f"over {name}" for name in rows["against"])
    axis.set(yticks=range(len(rows)), yticklabels=names)
    (fused,) = plain([rows["fused"].iloc[0]])
    axis.set(xlabel=f"gain of {fused} in {label}")
    return axis


def _draw_importance(importance, label, axes):
    """Shapley values, or gains of each modality alone, with standard errors."""
    known = importance["shapley"].notna().all()
    key = "shapley" if known else "alone"
    (axis,) = axes_of(1, axes, size=(6.0, 1.0 + 0.35 * len(importance)))
    rows = importance.iloc[::-1]
    axis.barh(range(len(rows)), rows[key], xerr=rows[f"{key}_SE"], alpha=0.7)
    axis.set(yticks=range(len(rows)), yticklabels=plain(rows.index))
    what = "Shapley value" if known else "gain of the modality alone over a constant"
    axis.set(xlabel=f"{what}, {label}")
    return axis


def report_of(comparison):
    """Return the whole comparison as one self-contained HTML page."""
    tables = {
        "All subsets": comparison.table,
        "Pairs": comparison.paired,
        "Modalities": comparison.importance,
    }
    parts = [f"<h1>Comparison of modalities</h1><p>{escape(comparison.verdict)}</p>"]
    for title, table in tables.items():
        html = table.to_html(float_format="{:.4g}".format, border=0)
        parts.append(f"<h2>{title}</h2>{html}")
    if importlib.util.find_spec("matplotlib") is not None:
        parts += [_image(comparison, kind) for kind in ("bars", "paired", "shapley")]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Comparison'
        f" of modalities</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _image(comparison, kind):
    figure = draw(comparison, kind).figure
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<p><img alt="{kind}" src="data:image/png;base64,{data}"></p>'
