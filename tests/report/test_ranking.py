"""Tables of ways: every value in its place, the best marked and only it."""

import math
import re

import pytest

from jaxstyle.report import ranking
from jaxstyle.report.ranking import Column, Row

RATE = Column("rate", "Rate", "How often.", "{:.1%}")
GAP = Column("gap", "Gap", "How far.", better=min)
COUNT = Column("count", "Count", "How many.", "{}", None)


def _cells(html):
    """Text of each row's cells, tags left out but for the mark."""
    (body,) = re.findall(r"<tbody>(.*)</tbody>", html)
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [
        [re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row)]
        for row in rows
    ]


def _table(columns, rows):
    return ranking.table("Caption", "Way", columns, [(None, rows)])


@pytest.mark.parametrize(
    ("column", "values", "marked"),
    [
        (RATE, [0.9, 0.95, 0.1], [1]),
        (GAP, [0.9, 0.95, 0.1], [2]),
        (COUNT, [1, 2, 3], []),
        # Read the same: none is ahead of the other.
        (RATE, [0.90001, 0.9, 0.1], [0, 1]),
        (RATE, [0.9, 0.90001], []),
        (GAP, [-0.5, 0.25], [0]),
        # What was not measured takes no part, and one alone is no contest.
        (GAP, [None, 0.3, 0.2, math.nan], [2]),
        (GAP, [None, 0.3], []),
        (GAP, [None, None], []),
    ],
)
def test_the_best_is_marked_in_words(column, values, marked):
    rows = [
        Row(f"way {n}", {} if value is None else {column.key: value})
        for n, value in enumerate(values)
    ]
    html = _table([column], rows)
    cells = [cell for (cell,) in _cells(html)]
    assert [n for n, text in enumerate(cells) if "best" in text] == marked
    assert html.count('class="best"') == html.count("<b>") == len(marked)
    for value, text in zip(values, cells, strict=True):
        assert ("not measured" in text) == (value is None or value != value)


def test_what_is_not_ranked_is_never_best():
    rows = [
        Row("all", {"gap": 0.3}),
        Row("few", {"gap": 0.1}, ranked=False),
        Row("others", {"gap": 0.2}),
        Row("few again", {"gap": 0.2}, ranked=False),
    ]
    cells = _cells(_table([GAP], rows))
    assert cells == [["0.300"], ["0.100"], ["0.200 best"], ["0.200"]]


def test_intervals_stand_below_in_the_values_own_format():
    values = {"rate": 0.5, "rate_low": 0.4, "rate_high": 0.625}
    rows = [Row("a", values | {"gap": 1.0, "gap_low": 0.9}), Row("b", {})]
    cells = _cells(_table([RATE, GAP], rows))
    assert cells[0] == ["50.0%40.0% – 62.5%", "1.000"]


def test_headers_groups_and_meanings():
    html = ranking.table(
        "Ways <compared>",
        "Way",
        [RATE, COUNT],
        [("first", [Row("a", {"count": 3})]), ("second", [Row("b", {})])],
    )
    assert "<caption><span>Ways &lt;compared&gt;</span></caption>" in html
    for text in ("Way", "Rate", "Count"):
        assert f'<th scope="col">{text}</th>' in html
    for text in ("first", "second"):
        assert f'<th colspan="3" scope="rowgroup">{text}</th>' in html
    for text in ("a", "b"):
        assert f'<th scope="row">{text}</th>' in html
    assert "<dt>Count</dt><dd>How many.</dd>" in html
    assert html.index("first") < html.index(">3<") < html.index("second")
