"""The filter field's small language: ``model:gpt-4.1 status:error latency>500 refund`` as filters and text.

It works without script, and anything that is not a filter stays text to search for.
"""

import re

_FIELDS = {
    "status": "status",
    "service": "service",
    "env": "environment",
    "environment": "environment",
    "model": "model",
    "provider": "provider",
    "operation": "operation",
    "prompt": "prompt_name",
    "user": "user_id",
    "session": "conversation_id",
    "conversation": "conversation_id",
    "tag": "tag",
    "score": "score",
    "name": "name",
}
_NUMBERS = {
    ("latency", ">"): "min_duration_ms",
    ("latency", "<"): "max_duration_ms",
    ("duration", ">"): "min_duration_ms",
    ("duration", "<"): "max_duration_ms",
    ("cost", ">"): "min_cost_usd",
}
_SCALES = {"": 1.0, "ms": 1.0, "s": 1000.0, "min": 60_000.0}
_WORD = re.compile(
    r'([a-z_]+):(?:"([^"]*)"|(\S+))|([a-z]+)\s*([<>])=?\s*\$?([0-9.]+)\s*(ms|s|min)?(?=\s|$)|"[^"]*"|\S+'
)


def split_search(text: str) -> tuple[dict[str, str], str]:
    """Returns the filters in a search text, by URL parameter, and the rest of the text.

    ``model:"name with spaces"`` quotes a value; ``latency>2s`` and ``cost>0.01`` compare; ``cost:unpriced``
    finds calls without a price.
    """
    filters: dict[str, str] = {}
    rest: list[str] = []
    for match in _WORD.finditer(text):
        found = _filter(match)
        if found is None:
            rest.append(match.group())
        else:
            filters[found[0]] = found[1]
    return filters, " ".join(rest)


def _filter(match: re.Match[str]) -> tuple[str, str] | None:
    name, quoted, bare, measure, sign, number, unit = match.groups()
    value = quoted if quoted is not None else bare
    if name == "cost" and value == "unpriced":
        return "unpriced", "1"
    if name in _FIELDS and value:
        return _FIELDS[name], value
    if measure and (measure, sign) in _NUMBERS:
        scale = _SCALES[unit or ""] if measure != "cost" else 1.0
        return _NUMBERS[measure, sign], f"{float(number) * scale:g}" if number.count(".") < 2 else number
    return None
