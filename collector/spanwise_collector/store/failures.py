"""What an engine's error means for the caller: bad data, or an engine in trouble."""

from clickhouse_connect.driver.exceptions import DataError, Error

from spanwise_collector.errors import BadRequest, CollectorError, Unavailable


class PoisonError(BadRequest):
    """At least one row of a batch can never be stored: split the batch to find it. Nothing else is wrong."""

    title = "Span cannot be stored"


# ClickHouse's own numbers (src/Common/ErrorCodes.cpp), those that only the rows themselves can cause.
DATA_CODES = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)
_TIMEOUT = 159
_MEMORY = 241
_MESSAGE_CHARS = 500


def insert_failure(error: Exception) -> CollectorError:
    """Translate what an insert raised: ``PoisonError`` for bad rows, ``Unavailable`` for everything else."""
    if isinstance(error, DataError) or getattr(error, "code", None) in DATA_CODES:
        return PoisonError(
            f"the engine refused the rows: {_brief(error)}",
            fix="send the spans one by one to find the bad one",
        )
    return Unavailable(f"the store could not write: {_brief(error)}", fix="send the same spans again")


def read_failure(error: Exception, statement: str) -> CollectorError:
    """Translate what reading raised."""
    code = error.code if isinstance(error, Error) else None
    if code in (_TIMEOUT, _MEMORY):
        limit = "time" if code == _TIMEOUT else "memory"
        return Unavailable(
            f"{statement} hit its {limit} limit: {_brief(error)}",
            fix="ask for a shorter time range or add a filter",
        )
    return Unavailable(
        f"{statement} failed: {_brief(error)}", fix="try again; the server's log has the whole error"
    )


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MESSAGE_CHARS else text[:_MESSAGE_CHARS] + "…"
