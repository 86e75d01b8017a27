"""The comparison with peers: a quick run from data to tables, and its statistics."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss, mean_squared_error

from benchmarks.peers import __main__ as peers
from benchmarks.peers import runs, sets, tables
from benchmarks.peers.models import MODELS, Model, OneTable, Task
from skmm import ModalityDict


def iris():
    X, y = load_iris(return_X_y=True)
    return ModalityDict(sepal=X[:, :2], petal=X[:, 2:]), np.array(list("abc"))[y]


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return ModalityDict(body=X[:, :4], serum=X[:, 4:]), y


TOYS = [sets.Set("iris", iris), sets.Set("diabetes", diabetes, is_regression=True)]


@pytest.fixture
def toys(monkeypatch):
    """Two tiny sets and the bundled ones are all there is."""
    monkeypatch.setattr(peers, "SETS", {each.name: each for each in TOYS})
    monkeypatch.setattr(peers, "QUICK_SETS", ["iris"])
    monkeypatch.setattr(peers, "QUICK_MODELS", ["linear", "late fusion"])


def test_quick(toys, capsys, tmp_path):
    cache = tmp_path / "runs.jsonl"
    peers.main(["--quick", "--cache", str(cache)])
    printed = capsys.readouterr().out
    for word in ("iris", "linear", "late fusion", "rank", "left out: AutoGluon"):
        assert word in printed
    assert len(cache.read_text().splitlines()) == 2 * peers.QUICK_SPLITS


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    first = runs.collect(TOYS, ["linear"], [0], path)
    asked = []
    monkeypatch.setattr(runs, "run", lambda *cell: asked.append(cell))
    assert runs.collect(TOYS, ["linear"], [0, 1], path)[:2] == first
    assert [split for _, _, split in asked] == [1, 1]
    assert runs.collect(TOYS, ["linear"], [0, 2], path, only_stored=True) == first
    assert len(asked) == 2
    monkeypatch.setattr(runs, "version_of", lambda name: "newer")
    runs.collect(TOYS, ["linear"], [0], path)
    assert len(asked) == 4
    path.write_text(path.read_text() + '{"set": "torn')
    assert len(runs.stored(path)) == 2


def test_earlier_code_of_ours_is_shown_beside_it(tmp_path):
    path = tmp_path / "runs.jsonl"
    of = {"set": "iris", "split": 0, "loss": 1.0}
    lines = [
        of | {"model": "fusion", "version": "skmm 1, code 12ab"},
        of | {"model": "fusion", "version": "skmm 1, code 34cd"},
        of | {"model": "linear", "version": "scikit-learn 1"},
        of | {"model": "fusion", "version": "skmm 1, code 12ab", "split": 7},
    ]
    runs.append(path, lines)
    (found,) = runs.earlier(path, "12ab", ["iris"], [0, 1])
    assert found["model"] == "fusion, code 12ab"
    assert runs.earlier(path, None, ["iris"], [0]) == []


def test_what_cannot_run_is_named(monkeypatch, capsys):
    absent = {"absent": Model(None, "no package", "no_module_of_this_name")}
    monkeypatch.setattr(peers, "MODELS", MODELS | absent)
    gone = sets.Set("gone", iris, "nowhere/gone.csv")
    monkeypatch.setattr(peers, "SETS", sets.SETS | {"gone": gone})
    found, models = peers.there(["biodeg", "gone"], ["linear", "absent"])
    assert ([each.name for each in found], models) == (["biodeg"], ["linear"])
    printed = capsys.readouterr().out
    assert "left out: gone" in printed and "left out: absent (ModuleNot" in printed


def test_a_model_that_fails_is_named_and_not_stored(tmp_path, monkeypatch, capsys):
    def fail(task):
        raise RuntimeError("of its own")

    monkeypatch.setitem(MODELS, "HistGB", Model(fail))
    path = tmp_path / "runs.jsonl"
    done = runs.collect(TOYS[:1], ["HistGB", "linear"], [0], path)
    assert [found["model"] for found in done] == ["linear"]
    assert "failed: HistGB on iris" in capsys.readouterr().out
    assert len(runs.stored(path)) == 1


def test_there_is_no_mulmix_of_values():
    assert MODELS["MulMix"].make(Task(True, 0)) is None
    assert MODELS["MulMix"].make(Task(False, 3)).random_state == 3


# -- sets --------------------------------------------------------------------------


def test_splits_to_choose_by_are_not_reported():
    assert not set(sets.seeds("choosing", 50)) & set(sets.seeds("reported", 50))
    assert set(sets.CHOOSING) < set(sets.SETS)
    chosen = peers.options(["--choosing"])
    assert chosen.sets == [name for name in sets.SETS if name in sets.CHOOSING]
    assert chosen.purpose == "choosing" and chosen.splits == 5


def test_splits_are_disjoint_and_stratified():
    (X, y), (X_test, y_test) = TOYS[0].split(3)
    assert len(y) + len(y_test) == 150 and len(y_test) == 38
    assert set(np.bincount(y_test)) <= {12, 13}
    rows = np.vstack([OneTable().fit_transform(part) for part in (X, X_test)])
    whole = OneTable().fit_transform(iris()[0])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(whole, axis=0))
    sized = sets.Set("iris", iris, train=30, test=60)
    (_, y), (_, y_test) = sized.split(0)
    assert (len(y), len(y_test)) == (30, 60)


def test_one_table_has_all_columns():
    X = ModalityDict(
        image=np.zeros((4, 1, 2, 3)), name=["ann", "ben", "cat", "anna"], age=[[1]] * 4
    )
    table = OneTable().fit(X[:3]).transform(X)
    words = table[:, 6:-1]
    assert table.dtype == np.float32 and len(table) == 4
    np.testing.assert_allclose((words**2).sum(axis=1), 1, rtol=1e-6)
    assert words[0] @ words[3] > words[1] @ words[3]


# -- measures and tables -----------------------------------------------------------


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = np.arange(30) % 3, rng.dirichlet(np.ones(3), 30)
    found = runs.measure_classes(y, p)
    assert found["loss"] == pytest.approx(log_loss(y, p))
    assert found["error"] == np.mean(p.argmax(1) != y)
    values = rng.normal(size=30)
    found = runs.measure_values(values, y.astype(float))
    assert found["loss"] == pytest.approx(mean_squared_error(values, y))
    assert found["error"] ** 2 == pytest.approx(found["loss"])


def runs_of(losses):
    """Runs with losses[set][model], a list over splits."""
    return [
        {"set": name, "model": model, "split": split, "loss": loss}
        | {"error": 0.1, "auc": 0.9, "ece": 0.2, "seconds": 1.0}
        for name, models in losses.items()
        for model, values in models.items()
        for split, loss in enumerate(values)
    ]


LOSSES = {
    "a": {"m": [1.0, 3.0], "CatBoost": [2.0, 2.0]},
    "b": {"m": [8.0, 8.0], "CatBoost": [2.0, 2.0]},
}


def test_differences_are_paired_by_split():
    first = tables.per_set(runs_of(LOSSES), ["m", "CatBoost"])[0]
    assert (first["set"], first["model"], first["loss"]) == ("a", "m", 2)
    assert first["difference"] == 0 and first["difference SE"] == pytest.approx(1)
    third = tables.per_set(runs_of(LOSSES), ["m", "CatBoost"])[2]
    assert third["difference"] == 6 and third["difference SE"] == 0
    assert first["splits"] == 2 and first["loss SE"] == pytest.approx(1)


def test_ratios_are_geometric_means_over_sets():
    rows = {
        row["model"]: row
        for row in tables.over_sets(runs_of(LOSSES), ["m", "CatBoost"])
    }
    row = rows["m"]
    assert row["ratio"] == pytest.approx(2)  # of 1 and 4
    assert row["log-points"] == pytest.approx(100 * np.log(2))
    expected = 100 * np.std([0, np.log(4)], ddof=1) / np.sqrt(2)
    assert row["log-points SE"] == pytest.approx(expected)
    assert (row["worst ratio"], row["worst set"]) == (pytest.approx(4), "b")
    assert row["rank"] == pytest.approx(1.75)  # 1.5 and 2
    assert rows["CatBoost"]["ratio"] == 1 and rows["CatBoost"]["log-points SE"] == 0


def test_only_splits_of_both_count():
    losses = {"a": {"m": [1.0, 9.0], "CatBoost": [2.0]}}
    (row, _) = tables.over_sets(runs_of(losses), ["m", "CatBoost"])
    assert row["ratio"] == pytest.approx(0.5)


def test_tables_without_the_reference():
    alone = runs_of({"a": {"m": [1.0]}})
    (row,) = tables.over_sets(alone, ["m", "absent"])
    assert row["rank"] == 1 and "ratio" not in row
    assert "difference" not in tables.per_set(alone, ["m"])[0]
