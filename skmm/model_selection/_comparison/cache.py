"""Finished fits in a file of JSON lines; the first line identifies the comparison."""

import json
import os
from pathlib import Path


class FitCache:
    """File to which every finished fit is appended.

    A last line that was only partly written is ignored.

    Parameters
    ----------
    path : path-like
    key : dict of str to str
        Digests of the comparison, from `key_of`.

    Attributes
    ----------
    stored : dict
        ``{(subset, split): result}`` of the fits that the file had at the start.

    Raises
    ------
    ValueError
        If the file belongs to another comparison or is not such a file.
    """

    def __init__(self, path, key):
        self.path = Path(path)
        self.stored = {}
        if self.path.exists() and self.path.stat().st_size:
            self._read(key)
        else:
            self._write([{"skmm": "compare_modalities", "of": key}])

    def append(self, subset, results):
        """Write the results of some splits, ``{split: result}``."""
        self._write(
            {"subset": subset, "split": split, "result": result}
            for split, result in results.items()
        )

    def _read(self, key):
        text = self.path.read_bytes().decode("utf-8", errors="replace")
        first, *lines = map(_parsed, text.splitlines())
        head = first or {}
        if head.get("skmm") != "compare_modalities":
            raise ValueError(
                f"cache={str(self.path)!r} is not a file of compare_modalities."
            )
        other = [name for name, digest in key.items() if head["of"].get(name) != digest]
        if other:
            raise ValueError(
                f"cache={str(self.path)!r} belongs to another comparison, with "
                f"different {', '.join(other)}. Give another path, or remove the file."
            )
        for line in lines:
            if line and "result" in line:  # another process may have written a header
                self.stored[line["subset"], line["split"]] = line["result"]

    def _write(self, lines):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with self.path.open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            unfinished = file.read(1) not in (b"", b"\n")
            file.write(("\n" * unfinished + text).encode())
            file.flush()
            os.fsync(file.fileno())


def _parsed(line):
    """Return a line as a dict; None if it is not one, or incomplete."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
