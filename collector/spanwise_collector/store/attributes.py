"""The raw attributes of many spans as five Arrow map columns, one a type, beside the promoted ones.

The work goes attribute by attribute over a whole batch, so that it is done in few passes of compiled code:
all keys and values in two lists, a code for the type of each, and then one selection a type.
"""

from collections.abc import Sequence
from itertools import chain, compress, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spanwise_collector.model import Span
from spanwise_collector.store import values
from spanwise_collector.store.promoted import Plan, plan_of

_OTHER = 4
_CODES: dict[type, int] = {str: 0, int: 1, float: 2, bool: 3}
_COLUMNS = (
    ("attributes_string", pa.string()),
    ("attributes_int", pa.int64()),
    ("attributes_float", pa.float64()),
    ("attributes_bool", pa.bool_()),
    ("attributes_json", pa.string()),
)


def attribute_columns(spans: Sequence[Span]) -> dict[str, pa.Array]:
    """Split the attributes of some spans into those that columns hold and, by type, the others.

    Raises:
        TypeError: A value is of a type OTLP does not have.
        pyarrow.ArrowException, UnicodeEncodeError: A key or a text is not valid Unicode.
    """
    plans = [plan_of(span) for span in spans]
    found = list(
        chain.from_iterable(
            [plan.raw_values(span.attributes) for plan, span in zip(plans, spans, strict=True)]
        )
    )
    codes = np.frombuffer(bytes(map(_CODES.get, map(type, found), repeat(_OTHER))), np.uint8).copy()
    _set_apart_large(found, codes)
    keys = _keys(plans)
    ends = np.concatenate(([0], np.cumsum([len(plan.raw) for plan in plans])))
    columns: dict[str, pa.Array] = {"promoted": _promoted(plans)}
    for code, (name, kind) in enumerate(_COLUMNS):
        chosen = codes == code
        members = compress(found, chosen.tobytes())
        columns[name] = pa.MapArray.from_arrays(
            pa.array(np.concatenate(([0], np.cumsum(chosen)))[ends], pa.int32()),
            keys.take(pa.array(np.flatnonzero(chosen))),
            pa.array([values.encode(value) for value in members] if code == _OTHER else list(members), kind),
        )
    return columns


def _keys(plans: Sequence[Plan]) -> pa.DictionaryArray:
    """Return the raw keys of all spans, one behind the other."""
    numbers: dict[str, int] = {}
    by_plan = {
        plan: np.array([numbers.setdefault(key, len(numbers)) for key in plan.raw], np.int32)
        for plan in dict.fromkeys(plans)
    }
    indices = np.concatenate([by_plan[plan] for plan in plans])
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(list(numbers), pa.string()))


def _promoted(plans: Sequence[Plan]) -> pa.DictionaryArray:
    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(plan.text, len(numbers)) for plan in plans]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(list(numbers), pa.string()))


def _set_apart_large(found: list[Any], codes: npt.NDArray[np.uint8]) -> None:
    """Give integers beyond 64 bits, which no OTLP sender can make, the code of the other types."""
    integers = np.flatnonzero(codes == _CODES[int])
    if not integers.size:
        return
    numbers = [found[index] for index in integers]
    if min(numbers) < values.INT64_MIN or max(numbers) > values.INT64_MAX:
        for index, number in zip(integers, numbers, strict=True):
            if not values.INT64_MIN <= number <= values.INT64_MAX:
                codes[index] = _OTHER
