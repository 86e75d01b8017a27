"""Who runs a trial, and whether that process still lives.

On one machine the system says at once that a process has ended. Of a process on another
one, every trial that it runs has a number that grows every `BEAT` seconds; after
`SILENCE` seconds without, by the clock of who looks, it counts as dead.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

WORKER, BEATS = "worker", "beats"  # attributes of a trial
BEAT = 15
SILENCE = 150
PROC = Path("/proc")


def this_worker():
    """What identifies this process: machine, number and start."""
    return {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}


def _host():
    """Name of the machine, of its present run, and of the space of process numbers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((PROC / "sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink(PROC / "self/ns/pid"))
    return " ".join(parts)


def _started(pid):
    """When a process started, in ticks; None if it has ended or nothing is known."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def has_ended(worker):
    """Whether the system says that a process of this machine is gone."""
    if not worker or worker["host"] != _host() or not (PROC / "self/stat").exists():
        return False
    return _started(worker["pid"]) != worker["started"]


class Watch:
    """Remember when which trial last gave a sign of life."""

    def __init__(self):
        self.seen = {}

    def is_lost(self, trial):
        """Whether nobody runs a trial any more that is said to be running.

        Parameters
        ----------
        trial : FrozenTrial
        """
        attributes = trial.user_attrs
        if has_ended(attributes.get(WORKER)):
            return True
        sign, now = attributes.get(BEATS), time.monotonic()
        last, since = self.seen.get(trial.number, (None, now))
        self.seen[trial.number] = (sign, since if sign == last else now)
        return now - self.seen[trial.number][1] > SILENCE


class Beating:
    """Context in which trials give signs of life.

    Parameters
    ----------
    trials : list of Trial
    """

    def __init__(self, trials):
        self.trials, self.ended = trials, threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()

    def _beat(self):
        count = 0
        while not self.ended.wait(BEAT):
            count += 1
            for trial in self.trials:
                with suppress(Exception):  # the next sign may come through
                    trial.set_user_attr(BEATS, count)
