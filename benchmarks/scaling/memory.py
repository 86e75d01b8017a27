"""Memory of one task in a fresh process, as Linux counts it in /proc.

What a process took earlier, and gave back or not, would blur the next measurement:
`in_fresh_process` starts a new one for each.
"""

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

STATUS = Path("/proc/self/status")


def can_measure():
    """Whether this system says what a process takes; macOS and Windows do not."""
    if not STATUS.exists():
        return False
    text = STATUS.read_text(encoding="utf-8")
    return all(f"{key}:" in text for key in ("VmRSS", "VmHWM", "RssAnon"))


def in_fresh_process(function, *args):
    """Result of a function of a module, called in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def taken(key):
    """Bytes under a key of /proc/self/status.

    "VmRSS" is what the process takes now, "VmHWM" the most since `forget_peak`, and
    "RssAnon" the part of "VmRSS" that is no file: pages of a memory-mapped file can be
    given up at any time.
    """
    with STATUS.open(encoding="utf-8") as lines:
        line = next(line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def forget_peak():
    """Let "VmHWM" start anew; where that is forbidden it counts from the start."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        print("the peak cannot be reset here, so it counts the making of the data")


class AnonymousPeak:
    """Most of "RssAnon" inside a ``with``, above what it was at the start, in bytes.

    Linux keeps no peak of it, so a thread looks every 2 ms.
    """

    def __enter__(self):
        self.start = self.most = taken("RssAnon")
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.is_set():
            self.most = max(self.most, taken("RssAnon"))
            time.sleep(0.002)

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()
        self.added = max(self.most, taken("RssAnon")) - self.start
