"""Answers as other people's decoders read them."""

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanwise_collector.otlp_status import MAX_MESSAGE_CHARS, encoding_of, failure, success


def test_33_success_leaves_partial_success_unset() -> None:
    assert success("protobuf").body == b""
    assert success("json").body == b"{}"


@pytest.mark.parametrize(("rejected", "message"), [(1, "one"), (300, "many"), (0, "only a warning")])
def test_32_and_34_partial_success_reads_the_same_in_both_encodings(rejected: int, message: str) -> None:
    read = ExportTraceServiceResponse.FromString(
        bytes(success("protobuf", rejected=rejected, message=message).body)
    )
    written = json.loads(bytes(success("json", rejected=rejected, message=message).body))["partialSuccess"]
    assert (read.partial_success.rejected_spans, read.partial_success.error_message) == (rejected, message)
    assert written == {"rejectedSpans": str(rejected), "errorMessage": message}


def test_11_errors_decode_as_google_rpc_status_with_bad_request_details() -> None:
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    details_pb2 = pytest.importorskip("google.rpc.error_details_pb2")
    status = status_pb2.Status.FromString(bytes(failure(400, "no such thing é", "protobuf").body))
    assert (status.code, status.message) == (3, "no such thing é")
    detail = details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].description == "no such thing é"


def test_long_messages_are_shortened() -> None:
    read = ExportTraceServiceResponse.FromString(
        bytes(success("protobuf", rejected=1, message="x" * 10**6).body)
    )
    assert len(read.partial_success.error_message) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", "protobuf"),
        ("application/json ; charset=utf-8", "json"),
        ("text/json", None),
        ("", None),
    ],
)
def test_03_content_types(content_type: str, encoding: str | None) -> None:
    assert encoding_of(content_type) == encoding
