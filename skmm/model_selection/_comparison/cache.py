"""Finished fits in a file of JSON lines; the first line identifies the comparison.

Every line has a checksum of its content, except in files of earlier versions.
"""

import json
import os
from pathlib import Path

from skmm._files import checksum

SUM = "sha256"  # last key of a line
END = b'"}'  # of a complete line
RESULT = {"subset": str, "split": int, "result": dict}  # keys of other lines
FORMAT = 2  # of files in which all lines have a checksum


class FitCache:
    """File to which every finished fit is appended.

    A line that was only partly written, by a process that was killed, is ignored.

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
        If the file belongs to another comparison, is damaged or not such a file, or its
        folder does not exist.
    OSError
        If the file cannot be read or written.
    """

    def __init__(self, path, key):
        self.shown = f"cache={os.fspath(path)!r}"
        self.path = self._checked(path)
        self.stored = {}
        if self.path.exists() and self.path.stat().st_size:
            self._read(key)
        else:
            self._write([{"skmm": "compare_modalities", "format": FORMAT, "of": key}])

    def append(self, subset, results):
        """Write the results of some splits, ``{split: result}``."""
        self._write(
            {"subset": subset, "split": split, "result": result}
            for split, result in results.items()
        )

    def _checked(self, path):
        if not os.fspath(path) or Path(path).is_dir():
            raise ValueError(f"{self.shown} must be the path of a file, or None.")
        if not Path(path).absolute().parent.is_dir():
            raise ValueError(f"{self.shown}: its folder does not exist.")
        return Path(path)

    def _read(self, key):
        try:
            first, *lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise self._explained(error, "read") from error
        head = _parsed(first)
        if not head or head.get("skmm") != "compare_modalities":
            raise ValueError(
                f"{self.shown} is not a file of compare_modalities, or is damaged. "
                "Give another path, or remove the file."
            )
        summed = {*head} != {"skmm", "of"}
        self._check(head, summed, 1)
        other = [name for name, digest in key.items() if head["of"].get(name) != digest]
        if other:
            raise ValueError(
                f"{self.shown} belongs to another comparison, with "
                f"different {', '.join(other)}. Give another path, or remove the file."
            )
        for number, line in enumerate(lines, 2):
            self._store(line, summed, number)

    def _store(self, line, summed, number):
        found = _parsed(line)
        if found is None and not line.endswith(END):  # incomplete
            return
        self._check(found, summed, number)
        if "result" in found:  # another process may have written a header
            self.stored[found["subset"], found["split"]] = found["result"]

    def _check(self, line, summed, number):
        """Check the checksum and the keys of a line."""
        line = {} if line is None else line
        given = line.pop(SUM, None)
        right = given == _sum_of(line) if given or summed else True
        is_result = {name: type(value) for name, value in line.items()} == RESULT
        if not right or not (is_result or type(line.get("of")) is dict):
            raise ValueError(
                f"{self.shown} is damaged in line {number} (wrong checksum or keys). "
                f"Remove {'that line' if number > 1 else 'the file'}, so that "
                f"{'this fit is' if number > 1 else 'all fits are'} repeated, or give "
                "another path."
            )

    def _write(self, lines):
        lines = [{**line, SUM: _sum_of(line)} for line in lines]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            self._append(text.encode())
        except OSError as error:
            raise self._explained(error, "written") from error

    def _append(self, data):
        with self.path.open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            unfinished = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * unfinished + data)
            file.flush()
            os.fsync(file.fileno())

    def _explained(self, error, done):
        reason = error.strerror or error
        return OSError(error.errno, f"{self.shown} cannot be {done} ({reason})")


def _sum_of(line):
    return checksum(json.dumps(line, sort_keys=True).encode())


def _parsed(line):
    """Return a line as a dict; None if it is not one, or incomplete."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
