"""Finished fits in a file of JSON lines; the first line says what they are of."""

import hashlib
import json
import os
from pathlib import Path

from skmm.training.fingerprint import describe


def key_of(**parts):
    """Digest of each part of what a comparison is of."""
    return {name: _digest(part) for name, part in parts.items()}


def _digest(part):
    digest = hashlib.blake2b(digest_size=16)
    for piece in describe(part):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


class FitCache:
    """What is stored is not fitted again; a torn last line is dropped.

    Parameters
    ----------
    path : path-like or None
        None keeps everything in memory.
    key : dict of str to str
        Of `key_of`.

    Raises
    ------
    ValueError
        If the file is of another comparison, or no such file.
    """

    def __init__(self, path, key):
        self.path = None if path is None else Path(path)
        self.found = {}
        if self.path is None:
            return
        if self.path.exists() and self.path.stat().st_size:
            self._read(key)
        else:
            self._write([{"skmm": "compare_modalities", "of": key}])

    def _read(self, key):
        text = self.path.read_bytes().decode("utf-8", errors="replace")
        first, *lines = map(_parsed, text.splitlines())
        head = first or {}
        if head.get("skmm") != "compare_modalities":
            raise ValueError(f"cache={str(self.path)!r} is no file of earlier fits.")
        other = [name for name, digest in key.items() if head["of"].get(name) != digest]
        if other:
            raise ValueError(
                f"cache={str(self.path)!r} is of another comparison: other "
                f"{', '.join(other)}. Give another path, or remove the file."
            )
        for line in lines:
            if line and "result" in line:  # not what another process has begun with
                self.found[line["subset"], line["split"]] = line["result"]

    def get(self, subset, split):
        """Result of a fit, or None."""
        return self.found.get((subset, split))

    def put(self, subset, results):
        """Keep the results of some splits, ``{split: result}``."""
        self.found |= {(subset, split): result for split, result in results.items()}
        if self.path is not None:
            self._write(
                {"subset": subset, "split": split, "result": result}
                for split, result in results.items()
            )

    def _write(self, lines):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with self.path.open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            torn = file.read(1) not in (b"", b"\n")
            file.write(("\n" * torn + text).encode())
            file.flush()
            os.fsync(file.fileno())


def _parsed(line):
    """A line as a dict; None if it is no such thing, as one that is torn."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
