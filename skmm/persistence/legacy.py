"""Upgrade the content of files in older formats.

======  =============================================================================
format  difference from the next format
======  =============================================================================
1       Outputs were not named: mixtures and embeddings had additional columns of flags,
        a single reconstruction target was named "y", and objectives had wrappers.
2       `MLPEncoder` did not scale its inputs, and had no parameter `scale`.
======  =============================================================================
"""

TUPLE = {"$": "tuple"}
MLP = "skmm.nn.MLPEncoder"


def upgrade(content, file_format):
    """Convert the content of a file to the current format.

    Parameters
    ----------
    content : JSON data
    file_format : int
        Format of the file.

    Returns
    -------
    JSON data
    """
    content = _from_1(content) if file_format < 2 else content
    return _from_2(content) if file_format < 3 else content


def _from_1(data):
    """Upgrade all parts from format 1, inner ones first."""
    if isinstance(data, list):
        return [_from_1(item) for item in data]
    if not isinstance(data, dict):
        return data
    data = {key: _from_1(value) for key, value in data.items()}
    if data.get("class") == "skmm.nn.MixtureHead" and "in_shape" in data:
        return data | {"in_shape": _fewer(data["in_shape"], _n_mixtures(data))}
    if set(data) == {"$", "value"} and data["$"] == "object":
        return _unwrapped(data)
    if isinstance(data.get("net_"), dict):
        return _without_a_name(data | {"net_": _coordinated(data["net_"])})
    return data


def _from_2(data):
    """Upgrade all parts from format 2, inner ones first."""
    if isinstance(data, list):
        return [_from_2(item) for item in data]
    if not isinstance(data, dict):
        return data
    if isinstance(data.get("attributes"), dict):
        data = data | {"attributes": _without_digests(data)}
    data = {key: _from_2(value) for key, value in data.items()}
    params = data.get("params")
    if data.get("class") == MLP and isinstance(params, dict):
        return data | {"params": {"scale": None} | params}
    return data


def _without_digests(estimator):
    """Attributes without the digests of parameters that hold an `MLPEncoder`."""
    attributes, params = estimator["attributes"], estimator.get("params")
    digests = attributes.get("_structure")
    if not isinstance(digests, dict) or not isinstance(params, dict):
        return attributes
    kept = {
        name: digest
        for name, digest in digests.items()
        if not _holds_mlp(params.get(name.partition("__")[0]))
    }
    return attributes | {"_structure": kept}


def _holds_mlp(data):
    if isinstance(data, list):
        return any(map(_holds_mlp, data))
    if not isinstance(data, dict):
        return False
    return data.get("class") == MLP or any(map(_holds_mlp, data.values()))


def _n_mixtures(head):
    return head["params"]["n_mixtures"]


def _fewer(in_shape, flags):
    """Input shape without the columns of flags."""
    width, outputs = in_shape["value"]
    return TUPLE | {"value": [width - flags, outputs]}


def _unwrapped(data):
    """The objective inside a wrapper that split outputs by position."""
    inner = data["value"].get("params", {}).get("objective")
    if data["value"].get("class") == "skmm.objectives.OverCandidates":
        return inner
    if data["value"].get("class") != "skmm.objectives.OverModalities":
        return data
    if isinstance(inner, dict) and inner["value"]["class"].endswith(".BarlowTwins"):
        return inner
    params = {"objective": inner}
    return data | {"value": {"class": "skmm.objectives.ByPosition", "params": params}}


def _coordinated(net):
    """Reduce the input width of the IdentityHead of a SideBySideFusion."""
    parts = net.get("parts", {})
    classes = [_class_of(parts.get(name)) for name in ("fusion", "head")]
    if classes != ["skmm.nn.SideBySideFusion", "skmm.nn.IdentityHead"]:
        return net
    head = parts["head"]["value"]
    in_shape = _fewer(head["in_shape"], len(parts["encoders"]))
    head = parts["head"] | {"value": head | {"in_shape": in_shape}}
    return net | {"parts": parts | {"head": head}}


def _without_a_name(attributes):
    """Remove the name of a single reconstruction target, and derive its objective."""
    net, target = attributes["net_"], attributes.get("_target")
    if _class_of(target) != "ArrayTarget":
        return attributes
    net = net | {"settings": net["settings"] | {"objective": None}}
    if not target["value"]["fields"]["named"]:
        head = net["parts"]["head"]["value"]
        params = head["params"]
        only = {name: params[name]["y"] for name in ("decoders", "shapes")}
        head = net["parts"]["head"] | {"value": head | {"params": params | only}}
        net = net | {"parts": net["parts"] | {"head": head}}
    return attributes | {"net_": net}


def _class_of(data):
    value = data.get("value") if isinstance(data, dict) else None
    return value.get("class") if isinstance(value, dict) else None
