"""The provider's own token counts, as frameworks hand them on: by OpenAI's names or Anthropic's."""

from collections.abc import Mapping
from typing import Any

from spanwise.integrations._stainless_fields import as_count, fields
from spanwise.operation import Usage


def provider_usage(told: Mapping[str, Any]) -> Usage | None:
    """Reads what a provider counted; ``None`` where it counted neither input nor output."""
    received = as_count(told.get("prompt_tokens", told.get("input_tokens")))
    made = as_count(told.get("completion_tokens", told.get("output_tokens")))
    if received is None and made is None:
        return None
    return Usage(
        input_tokens=received,
        output_tokens=made,
        cache_read_input_tokens=as_count(fields(told.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_output_tokens=as_count(
            fields(told.get("completion_tokens_details")).get("reasoning_tokens")
        ),
    )
