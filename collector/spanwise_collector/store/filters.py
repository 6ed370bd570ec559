"""A trace filter as SQL conditions over an allow-list of columns, with its values as bound parameters.

Conditions that describe one call (name, operation, provider, model, prompt) must hold together on one span of
the trace. Conditions that describe the trace (service, environment, user, conversation, tag, text) may each
hold on any span. Bounds on duration and cost are about the whole trace.
"""

from dataclasses import dataclass, field
from typing import Any

from spanwise_collector.model import TraceFilter

_MODEL = "if(response_model = '', request_model, response_model)"
_CALL_CONDITIONS = {
    "name": "name = {name:String}",
    "operation": "operation = {operation:String}",
    "provider": "provider = {provider:String}",
    "model": f"{_MODEL} = {{model:String}}",
    "prompt_name": "prompt_name = {prompt_name:String}",
}
_TRACE_CONDITIONS = {
    "service": "service = {service:String}",
    "environment": "environment = {environment:String}",
    "user_id": "user_id = {user_id:String}",
    "conversation_id": "conversation_id = {conversation_id:String}",
    "tag": "has(tags, {tag:String})",
    "q": "("
    + " OR ".join(
        f"positionCaseInsensitiveUTF8({column}, {{q:String}}) > 0"
        for column in (
            "name",
            "conversation_id",
            "user_id",
            "input_messages",
            "output_messages",
            "input_text",
            "output_text",
            "tool_arguments",
            "tool_result",
            "documents",
            "status_message",
        )
    )
    + " OR lower(hex(trace_id)) = lower({q:String}) OR lower(hex(span_id)) = lower({q:String}))",
}


@dataclass(slots=True)
class Conditions:
    """SQL fragments and the parameters they need."""

    bounds: list[str] = field(default_factory=list)
    """On single spans, before grouping."""
    groups: list[str] = field(default_factory=list)
    """On whole traces, after grouping."""
    parameters: dict[str, Any] = field(default_factory=dict)

    def bound_text(self) -> str:
        """Return the conditions on spans, each after an ``AND``."""
        return "".join(f" AND {bound}" for bound in self.bounds)

    def group_text(self) -> str:
        """Return the conditions on traces, each after an ``AND``."""
        return "".join(f" AND {group}" for group in self.groups)


def conditions_of(where: TraceFilter) -> Conditions:
    """Translate a filter."""
    found = Conditions()
    _add_times(where, found)
    call = [text for name, text in _CALL_CONDITIONS.items() if _has(where, name, found)]
    if call:
        found.groups.append(f"countIf({' AND '.join(call)}) > 0")
    found.groups += [
        f"countIf({text}) > 0" for name, text in _TRACE_CONDITIONS.items() if _has(where, name, found)
    ]
    _add_totals(where, found)
    return found


def _has(where: TraceFilter, name: str, found: Conditions) -> bool:
    value = getattr(where, name)
    if value is None or value == "":
        return False
    found.parameters[name] = value
    return True


def _add_times(where: TraceFilter, found: Conditions) -> None:
    if where.from_ns is not None:
        found.bounds.append("start >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')")
        found.parameters["from"] = where.from_ns
    if where.to_ns is not None:
        found.bounds.append("start < fromUnixTimestamp64Nano({to:Int64}, 'UTC')")
        found.parameters["to"] = where.to_ns


def _add_totals(where: TraceFilter, found: Conditions) -> None:
    duration = (
        "max(toUnixTimestamp64Nano(start) + greatest(duration_ns, 0)) - min(toUnixTimestamp64Nano(start))"
    )
    if where.min_duration_ms is not None:
        found.groups.append(f"{duration} >= {{min_duration_ns:Int64}}")
        found.parameters["min_duration_ns"] = round(where.min_duration_ms * 1e6)
    if where.max_duration_ms is not None:
        found.groups.append(f"{duration} <= {{max_duration_ns:Int64}}")
        found.parameters["max_duration_ns"] = round(where.max_duration_ms * 1e6)
    if where.min_cost_usd is not None:
        found.groups.append(
            "sumIf(toFloat64(cost_usd) * sample_weight, is_billable) >= {min_cost_usd:Float64}"
        )
        found.parameters["min_cost_usd"] = where.min_cost_usd
    if where.status is not None and where.status != "":
        found.groups.append("countIf(status = {status:String}) > 0")
        found.parameters["status"] = where.status
    if where.is_unpriced is not None:
        test = ">" if where.is_unpriced else "="
        found.groups.append(f"countIf(is_billable AND cost_status = 'unpriced') {test} 0")
