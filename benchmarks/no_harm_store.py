"""Results as JSON lines, one per (configuration, seed, method).

What is stored is not computed again, so delete the file, or its lines, when a method
or a problem has changed.
"""

import json
import os

from joblib import Parallel, delayed
from tqdm import tqdm


def key(found):
    return found["configuration"], found["seed"], found["method"]


def stored(path):
    """Results of a file by `key`; a torn last line is dropped.

    Parameters
    ----------
    path : Path or None

    Returns
    -------
    dict
    """
    results = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                continue
            results[key(found)] = found
    return results


def append(path, results):
    """Write some results at once, and wait until they are on the disk.

    Parameters
    ----------
    path : Path or None
    results : list of dict
    """
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in results)
    with path.open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        torn = file.read(1) not in (b"", b"\n")
        file.write(("\n" * torn + text).encode())
        file.flush()
        os.fsync(file.fileno())


def collect(run, cells, path, jobs=1):
    """Results of all cells; those of which nothing is stored are computed.

    Parameters
    ----------
    run : callable
        ``run(configuration, seed)`` returns a list of results.
    cells : list of (configuration, seed)
    path : Path or None
    jobs : int, default=1

    Returns
    -------
    list of dict
        In the order of the cells.
    """
    results = list(stored(path).values())
    done = {key(found)[:2] for found in results}
    missing = [cell for cell in cells if cell not in done]
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(run)(*cell) for cell in missing)
    for found in tqdm(parallel(tasks), total=len(missing), unit="cell"):
        append(path, found)
        results += found
    place = {cell: i for i, cell in enumerate(cells)}
    wanted = [found for found in results if key(found)[:2] in place]
    return sorted(wanted, key=lambda found: place[key(found)[:2]])
