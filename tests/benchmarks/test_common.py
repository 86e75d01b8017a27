"""Results that are stored as JSON lines."""

import json

from benchmarks.common import append, collect, stored


def found(method):
    return {"configuration": "a", "seed": 0, "method": method}


def test_cells_that_are_stored_are_not_run_again(tmp_path):
    path, asked = tmp_path / "runs.jsonl", []

    def run(case, seed):
        asked.append((case, seed))
        return [{"configuration": case, "seed": seed, "method": m} for m in "xy"]

    assert len(collect(run, [("a", 0), ("a", 1)], path)) == 4
    again = collect(run, [("a", 1), ("b", 1)], path)
    assert asked == [("a", 0), ("a", 1), ("b", 1)]
    assert {(one["configuration"], one["seed"]) for one in again} == {
        ("a", 1),
        ("b", 1),
    }
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6


def test_results_survive_a_torn_line(tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    assert stored(path) == {} == stored(None)
    append(path, [found("λ")])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"configuration": "torn')
    append(path, [found("later")])
    assert [key[-1] for key in stored(path)] == ["λ", "later"]
