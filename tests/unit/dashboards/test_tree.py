"""The tree: order, roll-up, critical path, and the arrays the browser gets."""

from decimal import Decimal

from spanwise_collector.model import SpanOutline
from spanwise_dashboards.tree import arrange, columns, roll_up

MS = 1_000_000


def outline(span_id: str, parent: str = "", start: int = 0, ms: int = 10, **more: object) -> SpanOutline:
    held = {
        "name": f"span {span_id}",
        "operation": "",
        "time_to_first_chunk_ns": None,
        "status": "unset",
        "service": "shop",
        "model": "",
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
        "cost_status": "not_billable",
        "is_billable": False,
        **more,
    }
    return SpanOutline(
        span_id=span_id, parent_span_id=parent, start_ns=start * MS, duration_ns=ms * MS, **held
    )  # type: ignore[arg-type]


def call(span_id: str, parent: str, start: int, ms: int, cost: str | None, **more: object) -> SpanOutline:
    return outline(
        span_id,
        parent,
        start,
        ms,
        operation="chat",
        is_billable=True,
        cost_usd=Decimal(cost) if cost else None,
        cost_status="priced" if cost else "unpriced",
        input_tokens=100,
        output_tokens=10,
        **more,
    )


def shown(rows) -> list[tuple[str, int]]:
    return [(row.span.span_id, row.depth) for row in rows]


def test_rows_stand_depth_first_by_start():
    spans = [outline("c", "r", 30), outline("r", "", 0, 100), outline("b", "r", 10), outline("d", "b", 12)]
    assert shown(arrange(spans)) == [("r", 0), ("b", 1), ("d", 2), ("c", 1)]


def test_orphans_stand_as_roots_and_cycles_lose_nothing():
    spans = [
        outline("r"),
        outline("lost", "gone", 5),
        outline("x", "y", 1),
        outline("y", "x", 2),
        outline("s", "s", 9),
    ]
    rows = arrange(spans)
    assert {row.span.span_id for row in rows} == {"r", "lost", "x", "y", "s"}
    assert [row.is_orphan for row in rows if row.span.span_id == "lost"] == [True]


def test_cost_rolls_up_once_and_unpriced_is_said():
    agent = outline("a", "r", 1, 90, operation="invoke_agent", input_tokens=200, cost_usd=Decimal("9"))
    spans = [outline("r", "", 0, 100), agent, call("c1", "a", 2, 20, "0.01"), call("c2", "a", 30, 20, None)]
    rows = {row.span.span_id: row for row in arrange(spans)}
    assert rows["r"].cost == rows["a"].cost == Decimal("0.01")
    assert (rows["r"].cost_label, rows["c2"].cost_label, rows["r"].unpriced) == ("$0.0100+", "unpriced", 1)
    total = roll_up(spans)
    assert (total.cost_usd, total.unpriced_count, total.call_count, total.input_tokens) == (
        Decimal("0.01"),
        1,
        2,
        200,
    )


def test_unknown_stays_unknown():
    total = roll_up([outline("r")])
    assert (total.cost_usd, total.input_tokens, total.first_token_ns, total.models) == (None, None, None, [])


def test_the_critical_path_is_what_the_end_waited_for():
    spans = [
        outline("r", "", 0, 100),
        outline("early", "r", 0, 40),
        outline("parallel", "r", 45, 20),
        outline("long", "r", 45, 50),
        outline("inner", "long", 60, 30),
    ]
    critical = {row.span.span_id for row in arrange(spans) if row.is_critical}
    assert critical == {"r", "early", "long", "inner"}


def test_errors_below_are_counted():
    rows = arrange([outline("r"), outline("a", "r", 1), outline("b", "a", 2, status="error")])
    assert [row.errors_below for row in rows] == [1, 1, 0]


def test_twenty_thousand_deep_is_no_matter():
    spans = [outline(str(n), str(n - 1) if n else "", n) for n in range(20_000)]
    rows = arrange(spans)
    assert rows[-1].depth == 19_999


def test_columns_intern_names_and_count_from_the_start():
    spans = [outline("r", "", 5, 10), call("c", "r", 7, 3, "0.5", time_to_first_chunk_ns=MS)]
    held = columns(arrange(spans), 5 * MS)
    assert held["start"] == [0, 2000]
    assert held["first"] == [0, 1000]
    assert [held["names"][n] for n in held["name"]] == ["span r", "span c"]
    assert [held["kinds"][k] for k in held["kind"]] == ["other", "llm"]
    assert held["cost"] == ["$0.5000", "$0.5000"]
    assert len({len(values) for key, values in held.items() if key not in ("names", "kinds")}) == 1
