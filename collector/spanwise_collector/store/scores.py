"""Scores: written beside the spans they judge, read with a trace or by name and time."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import Score, ScoreFilter
from spanwise_collector.store import values
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.failures import PoisonError
from spanwise_collector.store.ids import SPAN_ID_DIGITS, TRACE_ID_DIGITS, span_id_of, trace_id_of
from spanwise_collector.store.statements import statement

MAX_SCORES = 10_000
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_TEXTS = (
    "project_id",
    "name",
    "score_id",
    "kind",
    "label",
    "comment",
    "source",
    "user_id",
    "service",
    "environment",
)


def insert_scores(engine: Engine, scores: Sequence[Score]) -> None:
    """Insert one batch."""
    if not scores:
        return
    table = _arrow_table(scores)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    engine.insert("scores", table.column_names, sink.getvalue().to_pybytes())


def read_scores(engine: Engine, project_id: str, where: ScoreFilter, *, limit: int) -> list[Score]:
    """Read scores, newest first."""
    if not 1 <= limit <= MAX_SCORES:
        raise BadRequest(f"limit is {limit}", fix=f"give 1 to {MAX_SCORES}")
    conditions, parameters = _conditions_of(where)
    rows = engine.read(
        statement("read_scores"),
        {"project_id": project_id, "limit": limit, **parameters},
        conditions=conditions,
    )
    return [_score(*row) for row in rows]


def _score(*row: Any) -> Score:
    *plain, attributes, received_ns = row
    score = Score(*plain)
    score.attributes, score.received_ns = values.decode_map(attributes), received_ns
    return score


def _conditions_of(where: ScoreFilter) -> tuple[str, dict[str, Any]]:
    found: list[str] = []
    parameters: dict[str, Any] = {}
    if where.trace_ids is not None:
        found.append(f"AND trace_id IN ({statement('trace_set').text()})")
        parameters["trace_ids"] = [trace_id_of(trace_id) for trace_id in where.trace_ids]
    if where.span_id is not None:
        found.append("AND span_id = toFixedString(unhex({span_id:String}), 8)")
        parameters["span_id"] = span_id_of(where.span_id)
    if where.name is not None:
        found.append("AND name = {name:String}")
        parameters["name"] = where.name
    if where.from_ns is not None:
        found.append("AND time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')")
        parameters["from"] = where.from_ns
    if where.to_ns is not None:
        found.append("AND time < fromUnixTimestamp64Nano({to:Int64}, 'UTC')")
        parameters["to"] = where.to_ns
    return " ".join(found), parameters


def _arrow_table(scores: Sequence[Score]) -> pa.Table:
    try:
        return pa.table(
            {
                **{
                    name: pa.array([getattr(score, name) for score in scores], pa.string()) for name in _TEXTS
                },
                "trace_id": _ids([score.trace_id for score in scores], TRACE_ID_DIGITS),
                "span_id": _ids([score.span_id for score in scores], SPAN_ID_DIGITS),
                "time": pa.array([score.time_ns for score in scores], pa.int64()).view(_NANOSECONDS),
                "received": pa.array([score.received_ns for score in scores], pa.int64()).view(_NANOSECONDS),
                "value": pa.array([score.value for score in scores], pa.float64()),
                "attributes": pa.array(
                    [values.encode_map(score.attributes) for score in scores], pa.string()
                ),
            }
        )
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise PoisonError(
            f"a score cannot be stored: {' '.join(str(error).split())[:300]}",
            fix="correct that value and send the score again",
        ) from error


def _ids(column: list[str], digits: int) -> pa.Array:
    """Build binary ids from hex; ``""`` is all zeros."""
    padded = [text or "0" * digits for text in column]
    for text in padded:
        if len(text) != digits:
            raise ValueError(f"id {text!r} has {len(text)} digits, not {digits}")
    return pa.array([bytes.fromhex(text) for text in padded], pa.binary(digits // 2))
