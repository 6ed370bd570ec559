"""Vectors: beside the spans in a table of their own, where they weigh on nothing that does not read them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from spanwise_collector.model import Vector
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.failures import PoisonError
from spanwise_collector.store.statements import statement

_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_END_NS = 2**62


def insert_vectors(engine: Engine, vectors: Sequence[Vector]) -> None:
    """Insert one batch."""
    if not vectors:
        return
    table = _arrow_table(vectors)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    engine.insert("vectors", table.column_names, sink.getvalue().to_pybytes())


def read_vectors(
    engine: Engine, project_id: str, embedder: str, *, from_ns: int, to_ns: int | None, limit: int
) -> list[Vector]:
    """Read vectors of an embedder, newest first."""
    rows = engine.read(
        statement("read_vectors"),
        {
            "project_id": project_id,
            "embedder": embedder,
            "from": from_ns,
            "to": _END_NS if to_ns is None else to_ns,
            "limit": limit,
        },
    )
    return [
        Vector(project_id, embedder, content, trace, span, item, np.asarray(numbers, np.float32), received)
        for content, trace, span, item, received, numbers in rows
    ]


def _arrow_table(vectors: Sequence[Vector]) -> pa.Table:
    try:
        return pa.table(
            {
                "project_id": pa.array([each.project_id for each in vectors], pa.string()),
                "embedder": pa.array([each.embedder for each in vectors], pa.string()),
                "content_hash": _binary([each.content_hash for each in vectors], 16),
                "received": pa.array([each.received_ns for each in vectors], pa.int64()).view(_NANOSECONDS),
                "trace_id": _binary([each.trace_id for each in vectors], 16),
                "span_id": _binary([each.span_id for each in vectors], 8),
                "item": pa.array([each.item for each in vectors], pa.uint32()),
                "vector": pa.array([each.numbers for each in vectors], pa.list_(pa.float32())),
            }
        )
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise PoisonError(
            f"a vector cannot be stored: {' '.join(str(error).split())[:300]}", fix="send plain numbers"
        ) from error


def _binary(column: list[str], size: int) -> pa.Array:
    return pa.array([bytes.fromhex(text) for text in column], pa.binary(size))
