"""How many spans one sampled span stands for.

Source: OpenTelemetry, tracestate probability sampling: ``ot=th:<hex>`` is the rejection threshold out of
2^56, with trailing zeros left out.
"""

_FULL = 1 << 56


def sample_weight(trace_state: str) -> float:
    """Returns the inverse of the sampling probability; 1.0 when there is none or it cannot be read."""
    for member in trace_state.split(","):
        name, _, value = member.strip().partition("=")
        if name != "ot":
            continue
        for item in value.split(";"):
            key, _, threshold = item.partition(":")
            if key == "th":
                return _weight(threshold)
    return 1.0


def _weight(threshold: str) -> float:
    if not 1 <= len(threshold) <= 14:
        return 1.0
    try:
        rejected = int(threshold.ljust(14, "0"), 16)
    except ValueError:
        return 1.0
    return _FULL / (_FULL - rejected)
