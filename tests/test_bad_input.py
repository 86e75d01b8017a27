"""Errors for bad input name the argument: a table of callables, arguments, values."""

import pytest

from tests.tools.bad_input import outcome, search_cases, table

CLEAR = 0.98  # of the calls that raise an error, in each group


def check(found):
    raised = found[found["outcome"] != "accepted"]
    unclear = (
        raised["outcome"].ne("clear").groupby(raised["group"]).agg(["sum", "size"])
    )
    most = ((1 - CLEAR) * unclear["size"]).clip(lower=1)
    shown = raised[raised["outcome"] != "clear"].to_string(max_colwidth=120)
    assert (unclear["sum"] <= most).all(), f"{unclear}\n{shown}"


@pytest.mark.parametrize("offset", range(2))
def test_errors_name_the_argument(offset):
    check(table(share=43, offset=offset))


def test_calls_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases = {what: call for _, what, call, _ in search_cases()}
    call = cases["ModalitySearchCV(storage=)"]
    assert outcome(lambda: call("typo"), "storage") == "accepted"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_all_errors_name_the_argument():
    check(table())
