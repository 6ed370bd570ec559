"""How processes end: what was recorded arrives, and an endpoint that is away delays nobody for long."""

import signal
import socket
import threading
import time
from typing import Any

import pytest

EXIT_S = 2.5
"""What starting Python and importing OpenTelemetry may take beside the exit itself."""


def test_an_ordinary_exit_sends_what_is_left(sink: Any, run_app: Any) -> None:
    done = run_app("for n in range(600): record(f'chat {n}')", endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert len(sink.spans) == 600


def test_an_exit_by_exception_sends_what_is_left(sink: Any, run_app: Any) -> None:
    done = run_app("record('chat'); raise SystemExit(7)", endpoint=sink.url)
    assert done.code == 7
    assert sink.names == ["chat"]


def test_a_span_that_ends_at_exit_is_sent(sink: Any, run_app: Any) -> None:
    done = run_app("import atexit; pipeline.tracer(); atexit.register(record, 'late')", endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["late"]


def test_nothing_listens_on_this_machine(run_app: Any) -> None:
    done = run_app("for n in range(50): record('chat')", endpoint=_closed_url())
    assert done.code == 0
    assert done.took_s < EXIT_S, "nothing was going to change"
    (line,) = done.lines
    assert "50 spans were not delivered" in line
    assert "Connection refused" in line


def test_a_hanging_endpoint_delays_the_exit_by_three_seconds(run_app: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = run_app("for n in range(50): record('chat')", endpoint=url)
    assert done.code == 0
    assert 3 <= done.took_s < 3 + EXIT_S
    (line,) = done.lines
    assert "50 spans were not delivered" in line


def test_an_overloaded_endpoint_delays_the_exit_by_three_seconds(sink: Any, reply: Any, run_app: Any) -> None:
    sink.replies = [reply(503, {"retry-after": "60"})]
    done = run_app("for n in range(50): record('chat')", endpoint=sink.url)
    assert done.code == 0
    assert 3 <= done.took_s < 3 + EXIT_S
    (line,) = done.lines
    assert "HTTP 503" in line
    assert sink.attempts > 3, "it is tried again while there is time"


def test_an_endpoint_that_recovers_while_the_process_ends_gets_everything(
    sink: Any, reply: Any, run_app: Any
) -> None:
    sink.replies = [reply(503), reply(503), reply()]
    done = run_app("for n in range(50): record('chat')", endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert len(sink.spans) == 50


def test_a_slow_endpoint_is_waited_for_while_it_acknowledges(sink: Any, run_app: Any) -> None:
    take = sink.take
    sink.take = lambda received: (time.sleep(0.9), take(received))[1]
    done = run_app(
        "for n in range(60): record('chat')",
        endpoint=sink.url,
        environment={"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"},
    )
    assert (done.code, done.lines) == (0, [])
    assert done.took_s > 5
    assert len(sink.spans) == 60


def test_an_outage_is_two_lines_at_most_over_the_whole_run(run_app: Any) -> None:
    done = run_app(
        """
        from spanwise import delivery
        delivery._OUTAGE_AFTER_S = 0.2
        delivery._FIRST_DELAY_S = 0.05
        for n in range(30):
            record('chat')
            time.sleep(0.05)
        """,
        endpoint=_closed_url(),
        environment={"OTEL_BSP_SCHEDULE_DELAY": "20"},
    )
    assert done.code == 0
    assert len(done.lines) == 2
    assert "takes no spans" in done.lines[0]
    assert "30 spans were not delivered" in done.lines[1]


def test_a_forked_child_sends_its_own_spans_and_not_its_parents(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        record("parent before")
        open_span = pipeline.tracer().start_span("parent open", attributes={"gen_ai.operation.name": "chat"})
        child = os.fork()
        if not child:
            record("child")
            open_span.end()
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        open_span.end()
        record("parent after")
        """,
        endpoint=sink.url,
        environment={"OTEL_BSP_SCHEDULE_DELAY": "60000"},
    )
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["child", "parent after", "parent before", "parent open"]


def test_a_child_forked_while_the_parent_exports(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        for n in range(20):
            for m in range(20):
                record("parent")
            child = os.fork()
            if not child:
                record("child")
                sys.exit()
            os.waitpid(child, 0)
        """,
        endpoint=sink.url,
        environment={"OTEL_BSP_SCHEDULE_DELAY": "1"},
    )
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["child"] * 20 + ["parent"] * 400


def test_a_forked_child_that_ends_by_os_exit(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        child = os.fork()
        if not child:
            record("child")
            os._exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        endpoint=sink.url,
    )
    assert (done.out, done.lines) == ("5\n", [])
    assert sink.names == ["child"]


def test_a_process_that_ends_itself_by_a_signal(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        import signal
        caught = []
        signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
        record("before")
        signal.raise_signal(signal.SIGUSR1)
        record("after one that is handled")
        print(len(caught), flush=True)
        signal.raise_signal(signal.SIGTERM)
        """,
        endpoint=sink.url,
    )
    assert (done.code, done.out, done.lines) == (-signal.SIGTERM, "1\n", [])
    assert sink.names == ["after one that is handled", "before"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(sink: Any, run_app: Any, method: str) -> None:
    done = run_app(
        f"""
        import multiprocessing
        if __name__ == "__main__":
            record("parent")
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=record, args=(f"child {{n}}",)) for n in range(2)]
            for child in children: child.start()
            for child in children: child.join()
            print([child.exitcode for child in children])
        """,
        endpoint=sink.url,
    )
    assert (done.code, done.out, done.lines) == (0, "[0, 0]\n", [])
    assert sink.names == ["child 0", "child 1", "parent"]


def test_a_thread_that_still_records_at_exit_does_no_harm(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        import threading
        def go_on():
            while True:
                record("chat")
                time.sleep(0.001)
        threading.Thread(target=go_on, daemon=True).start()
        time.sleep(0.3)
        """,
        endpoint=sink.url,
    )
    assert (done.code, done.lines) == (0, [])
    assert done.took_s < 3 + EXIT_S
    assert len(sink.spans) > 50


def test_a_hanging_endpoint_at_shutdown_in_a_running_process(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    hold = threading.Event()
    sink.replies = [reply(gate=hold)]
    pipeline = new_pipeline()
    for _ in range(3):
        record(pipeline)
    began = time.monotonic()
    assert not pipeline.shutdown()
    assert 2.8 < time.monotonic() - began < 4
    assert pipeline.stats().lost == 3
    assert len(log()) == 1
    hold.set()


def _closed_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
