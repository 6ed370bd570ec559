"""Writing spans."""

from collections.abc import Sequence

import pyarrow as pa

from spanwise_collector.model import Span
from spanwise_collector.store.columns import arrow_table
from spanwise_collector.store.connection import Engine


def insert_spans(engine: Engine, spans: Sequence[Span]) -> None:
    """Insert one batch."""
    if not spans:
        return
    table = arrow_table(spans)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    engine.insert("spans", table.column_names, sink.getvalue().to_pybytes())
