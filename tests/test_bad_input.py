"""Errors for bad input name the argument: a table of callables, arguments, values."""

import pytest

from tests.tools.bad_input import table

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


@pytest.mark.slow
def test_all_errors_name_the_argument():
    check(table())
