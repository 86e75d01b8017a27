"""Which process runs a trial, and whether that process is still alive.

On the same machine ``/proc`` shows at once that a process has ended. A process on
another machine increases a number in each of its trials every `BEAT` seconds; after
`SILENCE` seconds without a change, by the clock of the observer, it counts as dead. A
process that has started a trial but not stored which it is, because the disk was full,
counts as dead after `UNCLAIMED` seconds.
"""

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from skmm._warnings import warn

WORKER, BEATS = "worker", "beats"  # attributes of a trial
BEAT = 15
SILENCE = 150
UNCLAIMED = 10
PROC = Path("/proc")
RUNS = set()  # identifiers of the searches that this process is running


def this_worker():
    """Return what identifies this process: host, pid and start time."""
    return {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}


def _host():
    """Return host name, boot identifier and pid namespace."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((PROC / "sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink(PROC / "self/ns/pid"))
    return " ".join(parts)


def _started(pid):
    """Return when a process started, in ticks; None if it has ended or is unknown."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def has_ended(worker):
    """Whether a process of this machine has ended, or a search of this process has."""
    if not worker or worker["host"] != _host() or not (PROC / "self/stat").exists():
        return False
    if _started(worker["pid"]) != worker["started"]:
        return True
    own = worker["pid"] == os.getpid()  # it may have gone on after a full disk
    return own and worker.get("run") not in {None, *RUNS}


@contextmanager
def registered(worker):
    """Context in which a search of this process runs its trials.

    Parameters
    ----------
    worker : dict
        Gets the identifier of the search as "run".
    """
    worker["run"] = uuid4().hex
    RUNS.add(worker["run"])
    try:
        yield
    finally:
        RUNS.discard(worker["run"])


class Watch:
    """Remember when the heartbeat of each trial last changed."""

    def __init__(self):
        self.seen, self.named = {}, set()

    def is_lost(self, trial):
        """Whether no process runs a trial any more whose state is "running".

        Parameters
        ----------
        trial : FrozenTrial
        """
        attributes = trial.user_attrs
        if has_ended(attributes.get(WORKER)):
            return True
        beats, now = attributes.get(BEATS), time.monotonic()
        last, since = self.seen.get(trial.number, (None, now))
        self.seen[trial.number] = (beats, since if beats == last else now)
        quiet = now - self.seen[trial.number][1]
        limit = SILENCE if WORKER in attributes else UNCLAIMED
        if quiet > limit / 5 and trial.number not in self.named:
            self.named.add(trial.number)
            _warn_waiting(trial, limit)
        return quiet > limit


def _warn_waiting(trial, limit):
    worker = trial.user_attrs.get(WORKER)
    host = worker["host"].partition(" ")[0] if worker else None
    process = f"process {worker['pid']} on {host}" if worker else "its process"
    warn(
        f"waiting for trial {trial.number}: {process} has shown no sign of life for "
        f"{limit / 5:.0f} s. The trial runs again after {limit} s without one.",
        RuntimeWarning,
    )


class Heartbeat:
    """Context in which a number in each trial increases.

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
                with suppress(Exception):  # the next beat may succeed
                    trial.set_user_attr(BEATS, count)
