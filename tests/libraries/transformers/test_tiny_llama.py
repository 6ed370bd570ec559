"""A tiny Llama with random weights: pipelines and ``generate``, tokens counted from the tensors."""

from pathlib import Path
from typing import Any

import pytest
import tiny_models
from span_memory import SpanMemory, traced

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'spanwise[test-models]'")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install 'spanwise[test-models]'"
)


LIBRARIES = ("transformers",)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of torch and transformers, their own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CHAT = [{"role": "user", "content": "what is the capital"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_models.llama(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(folder: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


@pytest.fixture(scope="module")
def words(folder: str) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def pipeline(model: Any, words: Any) -> Any:
    return transformers.pipeline("text-generation", model=model, tokenizer=words, device="cpu")


def test_generate_counts_its_tokens(memory: SpanMemory, model: Any, words: Any) -> None:
    inputs = words("hello world what", return_tensors="pt")
    result = model.generate(**inputs, max_new_tokens=5, do_sample=False, eos_token_id=None)
    (span,) = memory.take()
    assert type(result) is torch.Tensor
    assert (span["name"], span["operation"], span["provider"]) == (
        "text_completion tiny-llama",
        "text_completion",
        "huggingface",
    )
    assert span["input_tokens"] == inputs["input_ids"].shape[1] == 3
    assert span["output_tokens"] == result.shape[1] - 3
    assert span["attributes"]["gen_ai.request.max_tokens"] == 5
    assert "gen_ai.request.temperature" not in span["attributes"]


def test_generation_parameters_come_from_the_call_then_the_configuration(
    memory: SpanMemory, model: Any, words: Any
) -> None:
    inputs = words("hello", return_tensors="pt")
    settings = transformers.GenerationConfig(
        max_new_tokens=3, do_sample=True, temperature=0.7, top_k=4, pad_token_id=0
    )
    model.generate(**inputs, generation_config=settings, top_p=0.5)
    attributes = memory.take()[0]["attributes"]
    assert attributes["gen_ai.request.max_tokens"] == 3
    assert attributes["gen_ai.request.temperature"] == 0.7
    assert attributes["gen_ai.request.top_k"] == 4
    assert attributes["gen_ai.request.top_p"] == 0.5


def test_padding_is_no_token(memory: SpanMemory, model: Any, words: Any) -> None:
    inputs = words(["hello", "what is the capital of france"], return_tensors="pt", padding=True)
    result = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    (span,) = memory.take()
    expected, reasons = 0, []
    for row in result[:, inputs["input_ids"].shape[1] :].tolist():
        kept = row[: row.index(2) + 1] if 2 in row else row
        expected += len(kept)
        reasons.append("stop" if 2 in row else "length")
    assert span["input_tokens"] == 1 + 6
    assert span["output_tokens"] == expected
    assert span["finish_reasons"] == reasons


def test_a_token_that_ends_is_a_stop(memory: SpanMemory, model: Any, words: Any) -> None:
    inputs = words("hello world", return_tensors="pt")
    free = model.generate(**inputs, max_new_tokens=4, do_sample=False, eos_token_id=[])
    second = int(free[0, 3])
    model.generate(**inputs, max_new_tokens=4, do_sample=False, eos_token_id=second, pad_token_id=0)
    stopped = memory.take()[1]
    assert stopped["finish_reasons"] == ["stop"]
    assert stopped["output_tokens"] <= 2


def test_a_tokenizer_gives_the_texts(memory: SpanMemory, model: Any, words: Any) -> None:
    inputs = words("hello world", return_tensors="pt")
    result = model.generate(**inputs, max_new_tokens=3, do_sample=False, tokenizer=words)
    (span,) = memory.take()
    assert span["input_messages"][0]["parts"] == [{"type": "text", "content": "hello world"}]
    made = words.decode(result[0, 2:], skip_special_tokens=True)
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": made}]


def test_a_streamer_still_gets_every_token(memory: SpanMemory, model: Any, words: Any) -> None:
    seen: list[Any] = []

    class Streamer(transformers.generation.streamers.BaseStreamer):
        def put(self, value: Any) -> None:
            seen.append(value)

        def end(self) -> None:
            seen.append(None)

    model.generate(
        **words("hello", return_tensors="pt"), max_new_tokens=3, do_sample=False, streamer=Streamer()
    )
    (span,) = memory.take()
    assert seen[-1] is None
    assert span["attributes"]["gen_ai.request.stream"] is True
    assert span["output_tokens"] == len(seen) - 2  # the prompt comes first, the end last


def test_an_error_passes_and_is_recorded(memory: SpanMemory, model: Any) -> None:
    with pytest.raises(ValueError, match="max_new_tokens"):
        model.generate(torch.ones((1, 2), dtype=torch.long), max_new_tokens=-1)
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "ValueError")


def test_the_revision_on_the_hub_is_told(
    memory: SpanMemory, model: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.config, "_commit_hash", "abc123", raising=False)
    monkeypatch.setattr(model.config, "_name_or_path", "meta-llama/Llama-3.2-1B")
    model.generate(**words("hello", return_tensors="pt"), max_new_tokens=1)
    (span,) = memory.take()
    assert span["request_model"] == "meta-llama/Llama-3.2-1B"
    assert span["attributes"]["spanwise.model.revision"] == "abc123"


def test_a_pipeline_is_one_span_with_texts_and_tokens(memory: SpanMemory, pipeline: Any) -> None:
    result = pipeline("hello world", max_new_tokens=4, do_sample=False)
    (span,) = memory.take()
    assert (span["name"], span["operation"]) == ("text_completion tiny-llama", "text_completion")
    assert span["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hello world"}]}]
    (answer,) = span["output_messages"]
    assert answer["parts"][0]["content"] == result[0]["generated_text"][len("hello world") :]
    assert (span["input_tokens"], span["attributes"]["gen_ai.request.max_tokens"]) == (2, 4)
    assert 1 <= span["output_tokens"] <= 4
    assert answer["finish_reason"] == span["finish_reasons"][0]


def test_a_conversation_is_a_chat(memory: SpanMemory, pipeline: Any) -> None:
    result = pipeline(CHAT, max_new_tokens=3, do_sample=False)
    (span,) = memory.take()
    assert span["operation"] == "chat"
    assert span["input_messages"] == [
        {"role": "user", "parts": [{"type": "text", "content": "what is the capital"}]}
    ]
    answer = result[0]["generated_text"][-1]
    assert span["output_messages"][0]["role"] == answer["role"] == "assistant"
    assert span["output_messages"][0]["parts"][0]["content"] == answer["content"]
    assert span["input_tokens"] == 6  # <user>, four words, <assistant>


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_batch_is_one_span(memory: SpanMemory, pipeline: Any, batch_size: int) -> None:
    texts = ["hello", "one two three", "red"]
    result = pipeline(texts, max_new_tokens=2, do_sample=False, batch_size=batch_size)
    (span,) = memory.take()
    assert len(result) == len(span["output_messages"]) == len(span["finish_reasons"]) == 3
    assert [message["parts"][0]["content"] for message in span["input_messages"]] == texts
    assert span["input_tokens"] == 1 + 3 + 1
    assert 3 <= span["output_tokens"] <= 6


def test_several_choices_are_several_answers(memory: SpanMemory, pipeline: Any) -> None:
    pipeline("hello", max_new_tokens=2, do_sample=True, num_return_sequences=3)
    (span,) = memory.take()
    assert len(span["output_messages"]) == 3
    assert span["attributes"]["gen_ai.request.choice.count"] == 3
    assert span["input_tokens"] == 1


def test_texts_that_are_read_one_by_one_are_each_their_own_call(memory: SpanMemory, pipeline: Any) -> None:
    result = pipeline((text for text in ("hello", "red")), max_new_tokens=2, do_sample=False)
    assert memory.take() == []
    assert len(list(result)) == 2
    assert [span["input_tokens"] for span in memory.take()] == [1, 1]


def test_a_pipeline_that_fails_is_an_error(memory: SpanMemory, pipeline: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  each version has its own
        pipeline("hello", max_new_tokens="many")
    (span,) = memory.take()
    assert span["status"] == "error"
    pipeline("hello", max_new_tokens=1)
    (span,) = memory.take()
    assert (span["status"], span["output_tokens"]) == ("unset", 1)


def test_without_content_tokens_are_still_counted(pipeline: Any) -> None:
    with traced(("transformers",), capture=False) as memory:
        pipeline("hello world", max_new_tokens=2)
        (span,) = memory.take()
    assert (span["input_messages"], span["output_messages"], span["input_tokens"]) == (None, None, 2)


def test_everything_is_put_back(model: Any) -> None:
    from transformers.generation.utils import GenerationMixin

    before = GenerationMixin.generate, transformers.TextGenerationPipeline.forward
    with traced(("transformers",)):
        assert GenerationMixin.generate is not before[0]
    assert (GenerationMixin.generate, transformers.TextGenerationPipeline.forward) == before


def test_the_way_to_a_folder_is_not_told(tmp_path: Path) -> None:
    from spanwise.integrations.transformers import model_name

    class Model:
        class config:
            _name_or_path = str(tmp_path / "private" / "my-llama")

    assert model_name(Model()) == "my-llama"
