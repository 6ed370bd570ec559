"""Senders of the ingest benchmark: processes of their own, each with one connection, as exporters are."""

import http.client
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass

_HEADERS = {"content-type": "application/x-protobuf", "user-agent": "OTel-OTLP-Exporter-Python/1.44.0"}


@dataclass(frozen=True, slots=True)
class Sending:
    """How the requests of one phase were answered."""

    wall_s: float
    """From the first byte sent to the last answer."""
    acknowledged: tuple[int, ...]
    """Numbers of the requests that were answered 200."""
    latencies_s: tuple[float, ...]
    """Of each request, from its first byte to its answer."""
    failures: tuple[str, ...]


def send(port: int, bodies: Sequence[bytes], *, senders: int, is_gzip: bool = False) -> Sending:
    """Sends every body once, each sender its share one after the other; returns when all are answered.

    The senders are forked with the bodies in memory, connect, and begin together.
    """
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(senders + 1)
    results = fork.SimpleQueue()
    processes = [
        fork.Process(
            target=_send_share,
            args=(port, bodies, range(number, len(bodies), senders), is_gzip, barrier, results),
        )
        for number in range(senders)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    outcomes = [results.get() for _ in processes]
    wall_s = time.perf_counter() - began
    for process in processes:
        process.join()
    return Sending(
        wall_s,
        tuple(number for acknowledged, _, _ in outcomes for number in acknowledged),
        tuple(seconds for _, latencies, _ in outcomes for seconds in latencies),
        tuple(failure for _, _, failures in outcomes for failure in failures),
    )


def _send_share(port: int, bodies: Sequence[bytes], share: range, is_gzip: bool, barrier, results) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 (their types are made by the context)
    headers = _HEADERS | {"content-encoding": "gzip"} if is_gzip else _HEADERS
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    acknowledged: list[int] = []
    latencies: list[float] = []
    failures: list[str] = []
    barrier.wait()
    for number in share:
        began = time.perf_counter()
        try:
            connection.request("POST", "/v1/traces", bodies[number], headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            failures.append(repr(error))
            break
        latencies.append(time.perf_counter() - began)
        # An empty body is full success; a partial one names spans that were refused.
        if answer.status == 200 and not text:
            acknowledged.append(number)
        else:
            failures.append(f"{answer.status} {text[:200]!r}")
    results.put((acknowledged, latencies, failures))
