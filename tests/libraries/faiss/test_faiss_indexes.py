"""FAISS in this process: every class of index, each call one span, and numbers taken from the arrays."""

import threading
from typing import Any

import pytest
from span_memory import SpanMemory, traced

faiss = pytest.importorskip("faiss", reason="faiss is not installed: pip install 'spanwise[test-libraries]'")
np = pytest.importorskip("numpy")


LIBRARIES = ("faiss",)
DIMENSION = 16
VECTORS = np.random.default_rng(7).random((200, DIMENSION), dtype="float32")


def filled(kind: str, metric: int = faiss.METRIC_L2) -> Any:
    index = faiss.index_factory(DIMENSION, kind, metric)
    index.train(VECTORS)
    if kind.startswith("IDMap"):
        index.add_with_ids(VECTORS, np.arange(1000, 1000 + len(VECTORS)))
    else:
        index.add(VECTORS)
    return index


@pytest.mark.parametrize(
    "kind", ["Flat", "IDMap,Flat", "IDMap2,Flat", "HNSW8,Flat", "IVF4,Flat", "PCA8,Flat", "SQ8", "IVF4,PQ4x4"]
)
def test_a_search_of_every_kind_of_index_is_one_retrieval(memory: SpanMemory, kind: str) -> None:
    index = filled(kind)
    memory.take()
    distances, ids = index.search(VECTORS[3:4], 4)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert span["operation"] == "retrieval"
    assert span["name"] == f"retrieval {type(index).__name__}"
    assert attributes["db.system.name"] == "faiss"
    assert attributes["db.operation.name"] == "search"
    assert attributes["gen_ai.retrieval.top_k"] == 4
    assert attributes["spanwise.db.vector.dimension.count"] == DIMENSION
    assert attributes["spanwise.db.vector.count"] == len(VECTORS)
    assert attributes["spanwise.db.metric"] == "l2"
    documents = attributes["gen_ai.retrieval.documents"]
    assert [document["id"] for document in documents] == ids[0].tolist()
    assert [np.float32(document["distance"]) for document in documents] == distances[0].tolist()


def test_an_inner_product_is_a_score(memory: SpanMemory) -> None:
    index = filled("Flat", faiss.METRIC_INNER_PRODUCT)
    scores, _ = index.search(VECTORS[:1], k=3)
    attributes = memory.take()[-1]["attributes"]
    assert attributes["spanwise.db.metric"] == "inner_product"
    assert [np.float32(each["score"]) for each in attributes["gen_ai.retrieval.documents"]] == scores[
        0
    ].tolist()


def test_several_queries_say_which_found_what(memory: SpanMemory) -> None:
    index = filled("Flat")
    memory.take()
    _, ids = index.search(VECTORS[:3], 2)
    attributes = memory.take()[0]["attributes"]
    assert attributes["db.operation.batch.size"] == 3
    assert attributes["db.response.returned_rows"] == 6
    found = [(each["query"], each["id"]) for each in attributes["gen_ai.retrieval.documents"]]
    assert found == [(row, int(number)) for row in range(3) for number in ids[row]]


def test_what_was_not_found_is_no_document(memory: SpanMemory) -> None:
    index = faiss.IndexFlatL2(DIMENSION)
    index.add(VECTORS[:2])
    memory.take()
    index.search(VECTORS[:1], 5)
    index.search(VECTORS[:2], 5)
    one, two = memory.take()
    assert [each["id"] for each in one["attributes"]["gen_ai.retrieval.documents"]] == [0, 1]
    assert one["attributes"]["db.response.returned_rows"] == 2
    assert two["attributes"]["db.response.returned_rows"] == 4
    assert [each["id"] for each in two["attributes"]["gen_ai.retrieval.documents"]] == [0, 1, 1, 0]


def test_of_many_results_a_hundred_are_kept_and_all_are_counted(memory: SpanMemory) -> None:
    index = filled("Flat")
    memory.take()
    index.search(VECTORS, 3)
    index.search(VECTORS[:1], 150)
    index.range_search(VECTORS, 1e9)
    for span, rows in zip(memory.take(), (600, 150, 200 * 200), strict=True):
        assert span["attributes"]["db.response.returned_rows"] == rows
        assert len(span["attributes"]["gen_ai.retrieval.documents"]) == 100


def test_a_range_search_tells_its_threshold(memory: SpanMemory) -> None:
    index = filled("Flat")
    memory.take()
    limits, _, ids = index.range_search(VECTORS[:2], 1.5)
    attributes = memory.take()[0]["attributes"]
    assert attributes["spanwise.db.threshold"] == 1.5
    documents = attributes["gen_ai.retrieval.documents"]
    assert [each["id"] for each in documents] == ids.tolist()
    assert [each["query"] for each in documents].count(0) == limits[1]
    assert "gen_ai.retrieval.top_k" not in attributes


def test_writes_are_operations_with_counts_and_no_vectors(memory: SpanMemory) -> None:
    index = faiss.IndexIDMap2(faiss.IndexFlatL2(DIMENSION))
    index.add_with_ids(VECTORS[:9], np.arange(9))
    index.reconstruct(3)
    removed = index.remove_ids(np.array([1, 2, 77]))
    index.reset()
    spans = memory.take()
    assert [span["operation"] for span in spans] == ["add_with_ids", "reconstruct", "remove_ids", "reset"]
    assert [span["attributes"].get("spanwise.db.record.count") for span in spans] == [9, None, removed, None]
    assert spans[1]["attributes"]["db.response.returned_rows"] == 1
    assert not any("gen_ai.retrieval.documents" in span["attributes"] for span in spans)


def test_a_binary_index_measures_bits(memory: SpanMemory) -> None:
    index = faiss.IndexBinaryFlat(32)
    index.add(np.array([[0, 0, 0, 0], [1, 1, 0, 0]], dtype="uint8"))
    memory.take()
    index.search(np.zeros((1, 4), dtype="uint8"), 2)
    attributes = memory.take()[0]["attributes"]
    assert attributes["spanwise.db.metric"] == "hamming"
    assert attributes["gen_ai.retrieval.documents"] == [{"id": 0, "distance": 0}, {"id": 1, "distance": 2}]


def test_a_subclass_of_the_app_is_seen_once(memory: SpanMemory) -> None:
    class Counted(faiss.IndexFlatL2):
        searches = 0

        def search(self, x: Any, k: int, **further: Any) -> Any:
            self.searches += 1
            return super().search(x, k, **further)

    index = Counted(DIMENSION)
    index.add(VECTORS)
    memory.take()
    index.search(VECTORS[:1], 2)
    assert [span["name"] for span in memory.take()] == ["retrieval Counted"]
    assert index.searches == 1


def test_every_index_class_has_its_search_wrapped_once() -> None:
    from spanwise.integrations import faiss as integration

    before = {
        kind: vars(kind)["search"] for kind in integration._index_classes(faiss) if "search" in vars(kind)
    }
    with traced(("faiss",)):
        for kind, plain in before.items():
            assert vars(kind)["search"].__wrapped__ is plain, kind
    assert len(before) > 40
    assert {kind: vars(kind)["search"] for kind in before} == before


def test_an_error_passes_and_is_recorded(memory: SpanMemory) -> None:
    index = filled("Flat")
    memory.take()
    with pytest.raises(AssertionError):
        index.search(VECTORS[:1, :3].copy(), 2)
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "AssertionError")


def test_without_content_ids_and_distances_are_still_there() -> None:
    with traced(("faiss",), capture=False) as memory:
        index = filled("Flat")
        index.search(VECTORS[:1], 2)
        documents = memory.take()[-1]["attributes"]["gen_ai.retrieval.documents"]
    assert [set(each) for each in documents] == [{"id", "distance"}] * 2


def test_numbers_that_json_lacks_are_null(memory: SpanMemory) -> None:
    index = faiss.IndexFlatL2(2)
    index.add(np.array([[0, 0], [np.inf, 0]], dtype="float32"))
    memory.take()
    index.search(np.zeros((1, 2), dtype="float32"), 2)
    for each in memory.take()[0]["attributes"].get("gen_ai.retrieval.documents", []):
        assert each["distance"] is None or np.isfinite(each["distance"])


def test_searches_in_threads_are_each_their_own(memory: SpanMemory) -> None:
    index = filled("Flat")
    memory.take()
    threads = [threading.Thread(target=index.search, args=(VECTORS[n : n + 1], n + 1)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(span["attributes"]["gen_ai.retrieval.top_k"] for span in memory.take()) == list(range(1, 9))
