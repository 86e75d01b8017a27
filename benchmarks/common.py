"""What the scripts share: options, timing, facts of the machine, stored results."""

import argparse
import json
import os
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split
from tqdm import tqdm

RESULTS = Path(__file__).parent / "results"


def arguments(description):
    """Parse the options that every script has: --quick."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a small run, as a test")
    return parser.parse_args()


def options(description, cache, quick, seeds=3):
    """Parse the options of a script whose results are stored cell by cell.

    Parameters
    ----------
    description : str
    cache : str
        Name of the file of JSON lines in ``benchmarks/results``.
    quick : str
        What ``--quick`` leaves.
    seeds : int, default=3
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    path = RESULTS / cache
    parser.add_argument("--cache", type=Path, default=path, help="JSON lines")
    return parser


def split_by_class(y, train, test, seed):
    """Row numbers to learn and to test, so many of each, with the classes' shares."""
    rows, sizes = np.arange(len(y)), {"train_size": train, "test_size": test}
    return train_test_split(rows, stratify=y, random_state=seed, **sizes)


def machine(*packages):
    """Return the processor, number of cores, Python and versions of packages."""
    facts = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    return facts | {package: _version(package) for package in packages}


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1] for line in lines if line.startswith("model name")]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def alternating_medians(tasks, repeats=7, clock=time.perf_counter):
    """Median seconds of several tasks that are run in turn.

    Taking turns spreads the noise of a busy machine over all tasks, so ratios hold
    even where the seconds do not. Every task runs once before it is timed.

    Parameters
    ----------
    tasks : dict of str to callable without arguments
    repeats : int, default=7
    clock : callable, default=time.perf_counter
        ``time.process_time`` counts the processor time of this process only.

    Returns
    -------
    dict of str to float
    """
    for task in tasks.values():
        task()
    seconds = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = clock()
            task()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def row(goal, case, reached, wanted, at_most=True):
    """Compare what was reached with what is wanted, as a row of a table."""
    met = reached <= wanted if at_most else reached >= wanted
    sign = "<=" if at_most else ">="
    return {
        "goal": goal,
        "case": case,
        "wanted": f"{sign} {wanted}",
        "reached": round(reached, 2),
        "met": "yes" if met else "no",
    }


def report(rows, name, facts, quick=False):
    """Print rows as a table; unless quick, write them with the facts as CSV.

    Parameters
    ----------
    rows : list of dict
    name : str
        Of the file in ``benchmarks/results``, without ".csv".
    facts : dict
        Of `machine`; one more column each.
    quick : bool, default=False
    """
    table = pd.DataFrame(rows)
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(table.to_string(index=False))
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        table.assign(**facts).to_csv(RESULTS / f"{name}.csv", index=False)


# -- results as JSON lines -----------------------------------------------------------
#
# One line per (configuration, seed, method). What is stored is not computed again:
# delete the file, or some of its lines, when a method or a problem has changed.


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
