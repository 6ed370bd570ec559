"""Counting the tokens that a model in this process read and made: tensors in, plain numbers out."""

from dataclasses import dataclass, field
from typing import Any

from spanwise.integrations._stainless_fields import as_count, items


@dataclass  # without slots: the thread that counts holds it weakly
class Tally:
    """Token counts of one call, which may be several batches."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why each sequence ended, in OpenTelemetry's words."""

    def add(self, ids: Any, mask: Any, sequences: Any, *, ends: frozenset[int], is_prompt_kept: bool) -> None:
        """Adds one batch.

        Args:
            ids: The prompts' token ids, a tensor of two dimensions; None for an empty prompt.
            mask: 1 where a prompt has a token and 0 where it was filled up; may be None.
            sequences: What was generated, a tensor of two dimensions.
            ends: Token ids that end a sequence.
            is_prompt_kept: True for models that return the prompt before what they generated.
        """
        shape = getattr(ids, "shape", None)
        width = shape[1] if shape is not None else 0
        if shape is not None:
            self.input_tokens += int(mask.sum()) if mask is not None else shape[0] * shape[1]
        start = width if is_prompt_kept else 1  # the other kind starts with a token of its own
        for sequence in sequences[:, start:].tolist():
            self._add_sequence(sequence, ends)

    def _add_sequence(self, sequence: list[int], ends: frozenset[int]) -> None:
        for place, token in enumerate(sequence):
            if token in ends:  # what follows fills up to the longest of the batch
                self.output_tokens += place + 1
                self.reasons.append("stop")
                return
        self.output_tokens += len(sequence)
        self.reasons.append("length")


def ends_of(*places: Any) -> frozenset[int]:
    """Returns the token ids that end a sequence, from the first place that names any.

    Arguments of a call, a dictionary, may also say that none does.
    """
    for place in places:
        if isinstance(place, dict):
            if "eos_token_id" not in place:
                continue
            given = place["eos_token_id"]
            if given is None:
                return frozenset()
        else:
            given = getattr(place, "eos_token_id", None)
            if given is None:
                continue
        listed = given.tolist() if hasattr(given, "tolist") else given
        numbers = items(listed) or [listed]
        return frozenset(number for number in numbers if as_count(number) is not None)
    return frozenset()
