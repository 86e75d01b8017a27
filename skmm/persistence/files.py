"""One file of named tensors and JSON: written whole or not at all, read with doubt.

The file is a safetensors file whose metadata have one entry, "skmm": JSON with the
format's version, a checksum over the whole file, and the content.
"""

import hashlib
import json
import os
import secrets
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from skmm._version import __version__
from skmm.persistence.legacy import upgrade

FORMAT = 2  # raise it when an older skmm could no longer read what is written
BLANK = "0" * 64  # stands for the checksum while it is computed
FOREIGN = {
    b"\x80": "a pickle",
    b"PK": "a zip archive, as torch.save, numpy.savez and Keras write",
    b"\x93NUMPY": "an array of numpy.save",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"x\x9c": "a compressed pickle, as joblib writes",
}


def to_bytes(content, tensors):
    """Return the bytes of a file.

    Parameters
    ----------
    content : JSON data
    tensors : dict of str to Tensor
    """
    entry = {"sha256": BLANK, "format": FORMAT, "skmm": __version__, "content": content}
    data = save_tensors(tensors, {"skmm": json.dumps(entry, allow_nan=False)})
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(BLANK.encode(), digest.encode(), 1)


def from_bytes(data):
    """Return content, tensors and the version of skmm that wrote them.

    Raises
    ------
    ValueError
        If the bytes are not such a file, are damaged, or of a newer format.
    """
    entry = _entry(data)
    if entry["format"] > FORMAT:
        raise ValueError(
            f"it is in format {entry['format']}, written by skmm {entry['skmm']}; this "
            f"skmm reads formats up to {FORMAT}: update it"
        )
    blank = data.replace(entry["sha256"].encode(), BLANK.encode(), 1)
    if hashlib.sha256(blank).hexdigest() != entry["sha256"]:
        raise ValueError("it is damaged or cut off: its checksum is wrong")
    try:
        content = upgrade(entry["content"], entry["format"])
        return content, load_tensors(data), entry["skmm"]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _entry(data):
    """Our metadata, with all its fields."""
    metadata = _header(data).get("__metadata__")
    if not isinstance(metadata, dict) or "skmm" not in metadata:
        raise ValueError("it is a safetensors file, but was not saved by skmm")
    try:
        entry = json.loads(metadata["skmm"])
        kinds = {name: type(entry[name]) for name in ("sha256", "format", "skmm")}
        entry["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is damaged: its description cannot be read") from error
    if kinds != {"sha256": str, "format": int, "skmm": str}:
        raise ValueError("it is damaged: its description makes no sense")
    return entry


def _header(data):
    """Header of a safetensors file, a dict."""
    if len(data) < 10:
        raise ValueError(f"it has only {len(data)} bytes")
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{":
        raise ValueError(f"it is {_what(data)}, not a file of estimator.save")
    if size > len(data) - 8:
        raise ValueError(f"it is damaged or cut off after {len(data)} bytes")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise ValueError("it is damaged: its header cannot be read") from error
    return header if isinstance(header, dict) else {}


def _what(data):
    for start, name in FOREIGN.items():
        if data.startswith(start):
            return name
    return f"of no known kind (it begins with {data[:8]!r})"


def write_whole(path, data):
    """Write a file beside `path`, then move it there: others never see a part of it.

    Raises
    ------
    OSError
        If the folder does not exist, `path` is a folder, or writing fails; what was
        there before is then still there.
    """
    path = check_path(path)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_path(path):
    """Return the path without links, unless it is something else than a file."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise IsADirectoryError(f"{path} is a folder; add the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist.")
    return path
