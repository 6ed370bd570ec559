"""Tiny encoders with random weights: embeddings and rankings in this process."""

from typing import Any

import pytest
import tiny_models
from span_memory import SpanMemory, traced

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'spanwise[test-models]'")
sentence_transformers = pytest.importorskip(
    "sentence_transformers",
    reason="sentence-transformers is not installed: pip install 'spanwise[test-models]'",
)


LIBRARIES = ("sentence_transformers", "transformers")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of torch and transformers, their own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
DOCUMENTS = ["paris is the capital", "red blue", "one two three"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sentence_transformers.SentenceTransformer(
        tiny_models.bert(tmp_path_factory.mktemp("m")), device="cpu"
    )


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny_models.bert(tmp_path_factory.mktemp("m"), labels=1)
    return sentence_transformers.CrossEncoder(folder, device="cpu")


def test_encoding_texts_is_one_embedding_call(memory: SpanMemory, encoder: Any) -> None:
    vectors = encoder.encode(["hello world", "red"], show_progress_bar=False)
    (span,) = memory.take()
    assert vectors.shape == (2, 16)
    assert (span["operation"], span["provider"]) == ("embeddings", "huggingface")
    assert span["request_model"].endswith("tiny-bert")
    assert "/" not in span["request_model"]
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 16
    assert span["attributes"]["spanwise.embeddings.input"] == ["hello world", "red"]


@pytest.mark.parametrize(
    "options",
    [{}, {"convert_to_tensor": True}, {"convert_to_numpy": False}, {"output_value": "token_embeddings"}],
)
def test_every_form_of_result_tells_the_length(
    memory: SpanMemory, encoder: Any, options: dict[str, Any]
) -> None:
    plain = encoder.encode("hello", show_progress_bar=False, **options)
    (span,) = memory.take()
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 16
    assert type(plain) is type(encoder.encode("hello", show_progress_bar=False, **options))


def test_a_query_is_encoded_once(memory: SpanMemory, encoder: Any) -> None:
    if not hasattr(encoder, "encode_query"):
        encoder.encode_query = encoder.encode  # before 5 there is only one way
    encoder.encode_query("hello", show_progress_bar=False)
    assert [span["operation"] for span in memory.take()] == ["embeddings"]


def test_a_ranking_is_one_rerank(memory: SpanMemory, scorer: Any) -> None:
    ranked = scorer.rank("what is the capital", DOCUMENTS, top_k=2, show_progress_bar=False)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert span["operation"] == "rerank"
    assert attributes["gen_ai.retrieval.query.text"] == "what is the capital"
    assert attributes["gen_ai.retrieval.top_k"] == 2
    assert attributes["spanwise.rerank.document.count"] == 3
    assert attributes["gen_ai.retrieval.documents"] == [
        {
            "id": str(each["corpus_id"]),
            "index": each["corpus_id"],
            "score": pytest.approx(float(each["score"])),
            "content": DOCUMENTS[each["corpus_id"]],
        }
        for each in ranked
    ]


def test_scores_of_pairs_are_a_rerank_in_their_order(memory: SpanMemory, scorer: Any) -> None:
    scores = scorer.predict([("why", text) for text in DOCUMENTS], show_progress_bar=False)
    (span,) = memory.take()
    documents = span["attributes"]["gen_ai.retrieval.documents"]
    assert [each["content"] for each in documents] == DOCUMENTS
    assert [each["score"] for each in documents] == pytest.approx([float(score) for score in scores])
    assert span["attributes"]["gen_ai.retrieval.query.text"] == "why"


def test_an_error_passes_and_is_recorded(memory: SpanMemory, encoder: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  each version has its own
        encoder.encode("hello", output_value="nothing", precision="none", show_progress_bar=False)
    (span,) = memory.take()
    assert span["status"] == "error"


def test_without_content_no_text_is_kept(encoder: Any, scorer: Any) -> None:
    with traced(LIBRARIES, capture=False) as memory:
        encoder.encode("hello world", show_progress_bar=False)
        scorer.rank("why", DOCUMENTS, show_progress_bar=False)
        embedded, ranked = memory.take()
    assert "spanwise.embeddings.input" not in embedded["attributes"]
    assert set(ranked["attributes"]["gen_ai.retrieval.documents"][0]) == {"id", "index", "score"}
    assert "paris" not in str(ranked)


@pytest.mark.parametrize("options", [{}, {"convert_to_tensor": True}, {"convert_to_numpy": False}])
def test_vectors_are_kept_where_they_are_asked_for(encoder: Any, options: dict[str, Any]) -> None:
    with traced(LIBRARIES, capture_embeddings=True) as memory:
        encoder.encode(["hello", "world", "red"], show_progress_bar=False, **options)
        encoder.encode("hello", show_progress_bar=False)
        several, one = memory.take()
    assert several["attributes"]["spanwise.embeddings.vectors"]["shape"] == [3, 16]
    assert one["attributes"]["spanwise.embeddings.vectors"]["shape"] == [1, 16]
