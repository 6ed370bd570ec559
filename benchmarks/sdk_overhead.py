"""What tracing adds to a chat call: CPU with export included, and wall time, against the bare client.

    python benchmarks/sdk_overhead.py [--pairs 40] [--calls 50] [--json FILE]

Blocks of bare and of traced calls alternate in one process, so that both meet the same machine; each pair
gives one difference, and the intervals (95 %, bootstrap over pairs) are those of the mean. The model server
and the OTLP receiver are another process. CPU is that of this whole process, the exporting thread and the
flush included; wall is that of the calls, and again with the flush. Each subject runs in a process of its
own: ``spanwise``, and OpenTelemetry's ``opentelemetry-instrumentation-openai-v2`` where it is installed.
"""

import argparse
import gc
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

SERVERS = Path(__file__).with_name("sdk_overhead_servers.py")
QUESTION = "How long does a call take when it is traced, and how long when it is not? " * 30
MESSAGES = [
    {"role": "system", "content": "You answer in one sentence. " * 8},
    {"role": "user", "content": QUESTION},
]
SHORT_STREAM, LONG_STREAM = 20, 820
PEER = "opentelemetry-instrumentation-openai-v2"


class Subject(Protocol):
    """Something that traces OpenAI calls and can be switched on and off."""

    def on(self) -> None:
        """Traces from now on."""

    def off(self) -> None:
        """Gives the bare client back."""

    def flush(self) -> None:
        """Sends what was recorded, and waits for it."""


class Spanwise:
    """This project, as ``spanwise.instrument()`` sets it up."""

    def __init__(self, sink: str) -> None:
        import spanwise

        self._spanwise = spanwise
        spanwise.instrument("openai", endpoint=sink, service_name="benchmark")

    def on(self) -> None:
        """Traces from now on."""
        self._spanwise.instrument("openai")

    def off(self) -> None:
        """Gives the bare client back."""
        self._spanwise.uninstrument("openai")

    def flush(self) -> None:
        """Sends what was recorded."""
        assert self._spanwise.flush()


class OpenAiV2:
    """OpenTelemetry's own instrumentation with its stock batch processor and OTLP exporter."""

    def __init__(self, sink: str) -> None:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
        os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink}/v1/traces")))
        # It logs a warning when it is switched on or off twice in a row, which alternating blocks do.
        logging.disable(logging.WARNING)
        self._instrumentor = OpenAIInstrumentor()

    def on(self) -> None:
        """Traces from now on."""
        self._instrumentor.instrument(tracer_provider=self._provider)

    def off(self) -> None:
        """Gives the bare client back."""
        self._instrumentor.uninstrument()

    def flush(self) -> None:
        """Sends what was recorded."""
        assert self._provider.force_flush()


SUBJECTS: dict[str, Callable[[str], Subject]] = {"spanwise": Spanwise, PEER: OpenAiV2}


@dataclass(frozen=True, slots=True)
class Block:
    """Microseconds per call of one block."""

    cpu_us: float
    wall_us: float
    wall_with_export_us: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:8.1f}  [{self.low:.1f}, {self.high:.1f}]"


def estimate(values: list[float], draws: int = 4000) -> Estimate:
    """Bootstraps the mean of independent values."""
    generator = random.Random(1)
    means = sorted(statistics.fmean(generator.choices(values, k=len(values))) for _ in range(draws))
    return Estimate(statistics.fmean(values), means[int(draws * 0.025)], means[int(draws * 0.975)])


def estimate_ratio(bare: list[float], traced: list[float], draws: int = 4000) -> Estimate:
    """Bootstraps the ratio of two means over pairs."""
    generator = random.Random(1)
    pairs = list(zip(bare, traced, strict=True))
    ratios = []
    for _ in range(draws):
        drawn = generator.choices(pairs, k=len(pairs))
        ratios.append(sum(pair[1] for pair in drawn) / sum(pair[0] for pair in drawn))
    ratios.sort()
    return Estimate(sum(traced) / sum(bare), ratios[int(draws * 0.025)], ratios[int(draws * 0.975)])


def measure(call: Callable[[], None], calls: int, flush: Callable[[], None] | None) -> Block:
    """Runs one block: the calls, then the flush of what they recorded."""
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(calls):
        call()
    called = time.perf_counter_ns()
    if flush is not None:
        flush()
    ended = time.perf_counter_ns()
    return Block(
        (time.process_time_ns() - cpu) / calls / 1000,
        (called - wall) / calls / 1000,
        (ended - wall) / calls / 1000,
    )


def compare(subject: Subject, call: Callable[[], None], pairs: int, calls: int) -> list[tuple[Block, Block]]:
    """Alternates bare and traced blocks, and which of the two comes first."""
    measured = []
    for number in range(pairs):
        blocks: dict[bool, Block] = {}
        for is_traced in (False, True) if number % 2 else (True, False):
            subject.on() if is_traced else subject.off()
            blocks[is_traced] = measure(call, calls, subject.flush if is_traced else None)
        measured.append((blocks[False], blocks[True]))
    subject.off()
    return measured


def run_subject(name: str, model: str, sink: str, pairs: int, calls: int) -> dict[str, Any]:
    """Measures one subject in this process."""
    import openai

    client: Any = openai.OpenAI(api_key="sk-benchmark", base_url=f"{model}/v1", max_retries=0)

    def chat() -> None:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, temperature=0.2, max_tokens=300
        )

    def streamed(length: int) -> Callable[[], None]:
        def call() -> None:
            for _ in client.chat.completions.create(
                model="gpt-4o-mini", messages=MESSAGES, max_tokens=length, stream=True
            ):
                pass

        return call

    for warm_up in (chat, streamed(SHORT_STREAM)):
        measure(warm_up, 100, None)
    subject = SUBJECTS[name](sink)
    compare(subject, chat, 2, calls)
    before = received(sink)
    chats = compare(subject, chat, pairs, calls)
    arrived = {key: count - before[key] for key, count in received(sink).items()}
    stream_pairs = max(4, pairs // 2)
    short = compare(subject, streamed(SHORT_STREAM), stream_pairs, 10)
    long = compare(subject, streamed(LONG_STREAM), stream_pairs, 10)
    return {
        **summarise(chats),
        **summarise_streams(short, long),
        "arrived": arrived,
        "expected": pairs * calls,
    }


def summarise(measured: list[tuple[Block, Block]]) -> dict[str, Any]:
    """Returns what tracing adds to a call, absolutely and as a ratio."""
    summary: dict[str, Any] = {}
    for field in ("cpu_us", "wall_us", "wall_with_export_us"):
        base = "wall_us" if field == "wall_with_export_us" else field
        bare = [getattr(pair[0], base) for pair in measured]
        traced = [getattr(pair[1], field) for pair in measured]
        summary[f"bare_{field}"] = statistics.fmean(bare)
        summary[f"added_{field}"] = asdict(
            estimate([after - before for before, after in zip(bare, traced, strict=True)])
        )
        summary[f"ratio_{field}"] = asdict(estimate_ratio(bare, traced))
    return summary


def summarise_streams(short: list[tuple[Block, Block]], long: list[tuple[Block, Block]]) -> dict[str, Any]:
    """Returns what tracing adds to a chunk: the slope between short and long streams, without fixed costs."""
    summary = {}
    for field in ("cpu_us", "wall_us"):
        slopes = [
            (
                (getattr(far[1], field) - getattr(far[0], field))
                - (getattr(near[1], field) - getattr(near[0], field))
            )
            / (LONG_STREAM - SHORT_STREAM)
            for near, far in zip(short, long, strict=True)
        ]
        summary[f"added_{field}_per_chunk"] = asdict(estimate(slopes))
    return summary


def received(sink: str) -> dict[str, int]:
    with urllib.request.urlopen(sink, timeout=10) as answer:
        counted: dict[str, int] = json.load(answer)
        return counted


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Starts both servers; yields the URLs of the model and of the sink."""
    process = subprocess.Popen([sys.executable, str(SERVERS)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        model, sink = process.stdout.readline().split()
        yield f"http://127.0.0.1:{model}", f"http://127.0.0.1:{sink}"
    finally:
        process.kill()
        process.wait()


def run_in_process(name: str, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Runs one subject in a process of its own; returns what it measured, None when it cannot run."""
    python = arguments.peer_python if name == PEER else sys.executable
    with servers() as (model, sink):
        command = [
            python, __file__, "--subject", name, "--model", model, "--sink", sink,
            "--pairs", str(arguments.pairs), "--calls", str(arguments.calls),
        ]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(name: str, result: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of one subject's table."""
    rows = (
        ("CPU per call, export included, us", "added_cpu_us"),
        ("   ratio to the bare client", "ratio_cpu_us"),
        ("wall per call, us", "added_wall_us"),
        ("   ratio to the bare client", "ratio_wall_us"),
        ("wall per call, flush included, us", "added_wall_with_export_us"),
        ("CPU per stream chunk, us", "added_cpu_us_per_chunk"),
        ("wall per stream chunk, us", "added_wall_us_per_chunk"),
    )
    arrived = result["arrived"]
    counted = f"{arrived['spans']} of {result['expected']} spans arrived"
    yield f"{name}: {counted}, {arrived['content']} with content"
    yield f"  {'bare client, us':36}  CPU {result['bare_cpu_us']:.0f}, wall {result['bare_wall_us']:.0f}"
    for label, key in rows:
        value = Estimate(**result[key])
        digits = 2 if "chunk" in label else 3 if "ratio" in label else 0
        yield (
            f"  {label:36} {value.mean:{'' if 'ratio' in label else '+'}.{digits}f}"
            f"  [{value.low:.{digits}f}, {value.high:.{digits}f}]"
        )
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40, help="pairs of bare and traced blocks")
    parser.add_argument("--calls", type=int, default=50, help="calls a block")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--only", choices=SUBJECTS, help="measure one subject")
    parser.add_argument("--peer-python", default=sys.executable, help=f"interpreter that has {PEER}")
    for internal in ("--subject", "--model", "--sink"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        result = run_subject(
            arguments.subject, arguments.model, arguments.sink, arguments.pairs, arguments.calls
        )
        print(json.dumps(result))
        return
    results = {}
    for name in [arguments.only] if arguments.only else SUBJECTS:
        result = run_in_process(name, arguments)
        if result is None:
            print(f"{name} cannot run here (see above); --peer-python names an interpreter that has it")
        else:
            results[name] = result
            print("\n".join(report(name, result)))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
