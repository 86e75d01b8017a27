"""How cost and memory of a fit grow with rows, modalities and files on disk.

Run with ``python -m benchmarks.scaling [--quick]``; with ``OMP_NUM_THREADS=1`` for one
thread. Each row is a goal, what was reached, and in which direction. The *floor* is a
bare torch loop that picks rows of whole tensors as one writes it, ``tensor[rows]``
(``index_select``, which we use, is faster), with a fused Adam, timed in turn. Peaks are
of fresh processes, as Linux counts them; elsewhere they are left out.
"""

import sys

import torch

from benchmarks.common import arguments, machine, report
from benchmarks.scaling.cost import growing_modalities, growing_rows
from benchmarks.scaling.disk import files
from benchmarks.scaling.memory import can_measure
from benchmarks.scaling.peaks import peaks


def main():
    quick = arguments(__doc__).quick
    facts = machine("torch", "skorch", "scikit-learn", "numpy")
    facts["threads"] = torch.get_num_threads()
    rows = growing_rows(quick) + growing_modalities(quick)
    if can_measure():
        rows += peaks(quick) + files(quick)
    else:
        print(f"memory is not measured: {sys.platform} has no /proc/self/status")
    report(rows, "scaling", facts, quick)


if __name__ == "__main__":
    main()
