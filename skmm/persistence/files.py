"""Reading and writing of a safetensors file with named tensors and JSON.

The metadata of the file have one entry, "skmm": JSON with the version of the format, a
checksum of the whole file, and the content.
"""

import json

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from skmm._files import checksum
from skmm._version import __version__

FORMAT = 3  # to be raised, with a step in legacy.py, if new files differ
BLANK = "0" * 64  # placeholder while the checksum is computed
FOREIGN = {
    b"\x80": "a pickle",
    b"PK": "a zip archive, such as torch.save, numpy.savez or Keras write",
    b"\x93NUMPY": "an array written by numpy.save",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"x\x9c": "a compressed pickle, such as joblib writes",
}


def to_bytes(content, tensors):
    """Bytes of a file.

    Parameters
    ----------
    content : JSON data
    tensors : dict of str to Tensor

    Returns
    -------
    bytes
    """
    entry = {"sha256": BLANK, "format": FORMAT, "skmm": __version__, "content": content}
    data = save_tensors(tensors, {"skmm": json.dumps(entry, allow_nan=False)})
    digest = checksum(data)
    return data.replace(BLANK.encode(), digest.encode(), 1)


def from_bytes(data):
    """Entry of the metadata and tensors from the bytes of a file.

    Returns
    -------
    entry : dict
        With "content", "format" and "skmm", the version that wrote the file.
    tensors : dict of str to Tensor

    Raises
    ------
    ValueError
        If the bytes are damaged, or not those of a file of this or an older format.
    """
    entry = _entry(data)
    if entry["format"] > FORMAT:
        raise ValueError(
            f"it has format {entry['format']}, written by skmm {entry['skmm']}, but "
            f"this version of skmm reads formats up to {FORMAT}; update skmm"
        )
    blank = data.replace(entry["sha256"].encode(), BLANK.encode(), 1)
    if checksum(blank) != entry["sha256"]:
        raise ValueError("it is damaged or truncated (wrong checksum)")
    try:
        return entry, load_tensors(data)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _entry(data):
    """The entry "skmm" of the metadata."""
    metadata = _header(data).get("__metadata__")
    if not isinstance(metadata, dict) or "skmm" not in metadata:
        raise ValueError("it is a safetensors file, but was not saved by skmm")
    try:
        entry = json.loads(metadata["skmm"])
        kinds = {name: type(entry[name]) for name in ("sha256", "format", "skmm")}
        entry["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is damaged: its metadata cannot be read") from error
    if kinds != {"sha256": str, "format": int, "skmm": str}:
        raise ValueError("it is damaged: its metadata are invalid")
    return entry


def _header(data):
    """Header of a safetensors file, a dict."""
    if len(data) < 10:
        raise ValueError(f"it has only {len(data)} bytes")
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{":
        raise ValueError(f"it is {_foreign(data)}, not a file written by save")
    if size > len(data) - 8:
        raise ValueError(f"it is damaged, or truncated after {len(data)} bytes")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise ValueError("it is damaged: its header cannot be read") from error
    return header if isinstance(header, dict) else {}


def _foreign(data):
    for start, name in FOREIGN.items():
        if data.startswith(start):
            return name
    return f"a file of unknown type (it begins with {data[:8]!r})"
