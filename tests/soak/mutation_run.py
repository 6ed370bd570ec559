"""Runs tests against mutants: collected once, then one forked process a mutant.

Called by ``test_mutation.py`` as a process of its own, in a copy of the tree:
``python mutation_run.py <plan.json> <results.json>``. Two ways, because code and tables differ:

* A fault in a function replaces the ``__code__`` of the living functions, after pytest has collected the
  tests; the child runs the tests that reach the statement, shortest first, up to the first failure.
* A fault in a table has effects all over at import; the child is forked before our packages are imported
  and collects anew, with an importer that hands out the faulty module.
"""

import gc
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mutants import TABLES, Site, mutated, sites

CHILD_SECONDS = 240
"""A child that takes longer is ended, and its mutant counts as noticed: a test run would hang."""
FURTHER_DRAWS = 8
"""Mutants tried in addition for a function whose drawn mutants all survived."""
OPTIONS = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-s", "-o", "timeout=60"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins are loaded before the fork


class Draw:
    """Mutants of each scope in an order fixed by the seed; every scope has a turn before any has a second."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.queues: dict[tuple[str, str], list[Site]] = {}
        for path in plan["sources"]:
            for site in sites(Path(path).read_text("utf-8")):
                self.queues.setdefault((path, site.scope), []).append(site)
        for (path, scope), queue in self.queues.items():
            random.Random(f"{plan['seed']} {path} {scope}").shuffle(queue)
        self.total = sum(map(len, self.queues.values()))

    def take(self, limit: int) -> list[tuple[str, Site]]:
        drawn: list[tuple[str, Site]] = []
        while len(drawn) < limit and any(self.queues.values()):
            for (path, _), queue in self.queues.items():
                if queue and len(drawn) < limit:
                    drawn.append((path, queue.pop()))
        return drawn


def in_child(work: Callable[[], Any], seconds: float = CHILD_SECONDS, is_quiet: bool = True) -> Any:
    """Returns what ``work`` returns in a forked process, by JSON; None when it took too long.

    Raises:
        RuntimeError: ``work`` raised, or its process died: a fault of this runner is no mutant noticed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            if is_quiet:
                os.dup2(quiet, 2)
            answer = json.dumps(work()).encode()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
            status = 0
        except BaseException:  # noqa: BLE001  the parent raises in its place
            os.write(writing, json.dumps({"broken": traceback.format_exc()}).encode())
        finally:
            os._exit(status)
    os.close(writing)
    answer, end = b"", time.monotonic() + seconds
    while select.select([reading], [], [], max(end - time.monotonic(), 0))[0]:
        piece = os.read(reading, 1 << 16)
        if not piece:
            break
        answer += piece
    else:
        os.kill(child, signal.SIGKILL)
    is_late = time.monotonic() >= end
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if is_late:
        return None
    found = json.loads(answer) if answer else {"broken": f"exit status {status}"}
    if isinstance(found, dict) and "broken" in found:
        raise RuntimeError(found["broken"])
    return found


class Tracer:
    """Which lines of the sources each test reaches, and how long it takes."""

    def __init__(self, files: set[str]) -> None:
        self.files = files
        self.lines: set[tuple[str, int]] = set()

    def start(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename in self.files else None

    def _line(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Outcome:
    """Remembers the first failed test; errors while collecting count as one."""

    def __init__(self) -> None:
        self.failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed is None:
            self.failed = f"{report.nodeid} (import)"


class FunctionLoop(Outcome):
    """Takes the place of pytest's loop over tests: one child for the baseline, then one a mutant."""

    def __init__(self, plan: dict[str, Any], draw: Draw, results: dict[str, Any]) -> None:
        super().__init__()
        self.plan, self.draw, self.results = plan, draw, results

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.failed:
            raise pytest.UsageError(f"cannot collect {self.failed}")
        items = {item.nodeid: item for item in session.items}
        base = in_child(lambda: self._baseline(items))
        if base is None or base["failed"]:
            raise pytest.UsageError(f"without any mutant, {base and base['failed']} fails")
        self.results.update(base)
        reached: dict[tuple[str, int], set[str]] = defaultdict(set)
        for name, lines in base["lines"].items():
            for path, line in lines:
                reached[path, line].add(name)
        live = living_functions(self.plan["sources"])
        at_import = {path: import_scopes(path, {line for at, line in reached if at == path}) for path in live}
        gc.freeze()
        drawn = self.draw.take(self.plan["limit"])
        killed: set[tuple[str, str]] = set()
        for path, site in self._with_more(drawn, killed):
            if site.scope == TABLES or site.scope in at_import[path] or not fits(live[path], path, site):
                self.results["tables"].append((path, site.number))
                continue
            names = set().union(*(reached[path, line] for line in range(site.first, site.last + 1)))
            order = sorted(names, key=lambda name: base["seconds"][name])
            started = time.monotonic()
            verdict = (
                in_child(lambda p=path, s=site, o=order: self._judge(live, p, s, [items[name] for name in o]))
                if order
                else {"failed": None}
            )
            if verdict is None:
                verdict = {"failed": "(time limit)"}
            if verdict["failed"]:
                killed.add((path, site.scope))
            note(self.results, path, site, verdict["failed"], len(order), time.monotonic() - started)
        return True

    def _with_more(
        self, drawn: list[tuple[str, Site]], killed: set[tuple[str, str]]
    ) -> Iterator[tuple[str, Site]]:
        yield from drawn
        for path, scope in dict.fromkeys((path, site.scope) for path, site in drawn):
            queue = self.draw.queues[path, scope]
            for _ in range(FURTHER_DRAWS):
                if scope == TABLES or (path, scope) in killed or not queue:
                    break
                yield path, queue.pop()

    def _baseline(self, items: dict[str, pytest.Item]) -> dict[str, Any]:
        tracer = Tracer(set(self.plan["sources"]))
        lines: dict[str, list[tuple[str, int]]] = {}
        seconds: dict[str, float] = {}
        tracer.start()
        for name, item, following in in_turn(list(items.values())):
            tracer.lines, started = set(), time.process_time()
            run(item, following)
            lines[name], seconds[name] = sorted(tracer.lines), time.process_time() - started
        return {
            "failed": self.failed,
            "lines": lines,
            "seconds": seconds,
            "modules": foreign_modules(),
            "tests": len(items),
        }

    def _judge(
        self, live: dict[str, list[types.FunctionType]], path: str, site: Site, items: list[pytest.Item]
    ) -> dict[str, Any]:
        put_into(live[path], path, site)
        for _, item, following in in_turn(items):
            run(item, following)
            if self.failed:
                break
        return {"failed": self.failed}


def foreign_modules() -> list[str]:
    """Returns the loaded modules that lie outside of the copied tree."""
    here = str(Path.cwd())
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.copy().items()}
    return sorted(name for name, file in files.items() if file and not file.startswith(here))


def in_turn(items: list[pytest.Item]) -> Iterator[tuple[str, pytest.Item, pytest.Item | None]]:
    for at, item in enumerate(items):
        yield item.nodeid, item, items[at + 1] if at + 1 < len(items) else None


def run(item: pytest.Item, following: pytest.Item | None) -> None:
    """Runs a test; fixtures that the following one needs too stay up."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def note(
    results: dict[str, Any], path: str, site: Site, failed: str | None, tests: int, seconds: float
) -> None:
    entry = {name: getattr(site, name) for name in Site.__slots__}
    entry |= {"path": path, "killed_by": failed, "tests": tests, "seconds": round(seconds, 2)}
    results["mutants"].append(entry)
    shown = Path(path).relative_to(Path.cwd())
    sys.stderr.write(f"{'killed  ' if failed else 'SURVIVED'} {shown}:{site.line} {site.scope} {site.kind}: ")
    sys.stderr.write(f"{site.before[:70]} -> {site.after[:70]} [{tests} tests, {seconds:.1f} s]\n")


# --- code in place of code ---


def living_functions(paths: list[str]) -> dict[str, list[types.FunctionType]]:
    found: dict[str, list[types.FunctionType]] = {path: [] for path in paths}
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and each.__code__.co_filename in found:
            found[each.__code__.co_filename].append(each)
    return found


def import_scopes(path: str, reached: set[int]) -> set[str]:
    """Returns the functions that no test reaches: they run at import, if at all."""
    found = sites(Path(path).read_text("utf-8"))
    run_later = {site.scope for site in found if reached & set(range(site.first, site.last + 1))}
    return {site.scope for site in found} - run_later


def codes_with(path: str, site: Site) -> dict[tuple[str, int], types.CodeType]:
    module = compile(mutated(Path(path).read_text("utf-8"), site.number), path, "exec", dont_inherit=True)
    return {(code.co_qualname, code.co_firstlineno): code for code in all_codes(module)}


def fits(functions: list[types.FunctionType], path: str, site: Site) -> bool:
    """False when a function with the fault closes over other variables: its code cannot be exchanged."""
    codes = codes_with(path, site)
    olds = (function.__code__ for function in functions)
    return all(codes[old.co_qualname, old.co_firstlineno].co_freevars == old.co_freevars for old in olds)


def put_into(functions: list[types.FunctionType], path: str, site: Site) -> None:
    """Gives the living functions of a module the code they would have with the fault in the source."""
    codes = codes_with(path, site)
    for function in functions:
        old = function.__code__
        function.__code__ = codes[old.co_qualname, old.co_firstlineno]


def all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from all_codes(constant)


# --- tables ---


class FaultyImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hands out one module with a fault in it; all others come as usual."""

    def __init__(self, path: str, site: Site) -> None:
        self.path, self.site = path, site
        parts = Path(path).with_suffix("").parts
        at = next(at for at, part in enumerate(parts) if part in ("spanwise", "spanwise_collector"))
        self.name = ".".join(parts[at:]).removesuffix(".__init__")

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.name:
            return None
        return importlib.util.spec_from_loader(name, self, origin=self.path)

    def exec_module(self, module: types.ModuleType) -> None:
        tree = mutated(Path(self.path).read_text("utf-8"), self.site.number)
        exec(compile(tree, self.path, "exec", dont_inherit=True), module.__dict__)


class Selection(Outcome):
    """Keeps the tests named, in the order given."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.places = {name: place for place, name in enumerate(order)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.places), key=lambda item: self.places[item.nodeid]
        )


def judge_tables(plan: dict[str, Any], results: dict[str, Any]) -> None:
    for name in results["modules"]:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  it will be imported later, or not
            sys.stderr.write(f"not preloaded: {name}: {error}\n")
    seconds, lines = results["seconds"], results["lines"]
    reaching = sorted((name for name in lines if lines[name]), key=seconds.__getitem__)
    control = in_child(lambda: judge_table(None, reaching))
    if control is None or control["failed"]:
        failed = control and control["failed"]
        sys.stderr.write(f"TABLES NOT JUDGED: there, {failed} fails without any mutant too\n")
        return
    for path, number in results["tables"]:
        site = sites(Path(path).read_text("utf-8"))[number]
        own = {name for name in lines if any(each == path for each, _ in lines[name])}
        # Other modules may have taken from the table at import: all tests may notice, its own come first.
        order = sorted(
            (name for name in lines if lines[name]), key=lambda name: (name not in own, seconds[name])
        )
        started = time.monotonic()
        verdict = in_child(lambda p=path, s=site, o=order: judge_table(FaultyImporter(p, s), o)) or {
            "failed": "(time limit)"
        }
        note(results, path, site, verdict["failed"], len(order), time.monotonic() - started)


def judge_table(importer: "FaultyImporter | None", order: list[str]) -> dict[str, Any]:
    """Runs the tests in this process, from their collection; without an importer nothing is faulty."""
    if importer is not None:
        sys.meta_path.insert(0, importer)
    selection = Selection(order)
    files = dict.fromkeys(name.partition("::")[0] for name in order)
    code = pytest.main([*OPTIONS, *files], plugins=[selection])
    return {"failed": selection.failed or (f"(exit {int(code)})" if code else None)}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    results: dict[str, Any] = {"mutants": [], "tables": []}
    draw = Draw(plan)

    def functions() -> dict[str, Any]:
        code = pytest.main([*OPTIONS, *plan["tests"]], plugins=[FunctionLoop(plan, draw, results)])
        return results | {"code": int(code)}

    results = in_child(functions, seconds=86_400, is_quiet=False)
    if results is None or results["code"]:
        raise SystemExit("the tests do not pass without a mutant, or cannot be collected")
    judge_tables(plan, results)
    kept = {key: results[key] for key in ("mutants", "tests")}
    Path(sys.argv[2]).write_text(json.dumps(kept | {"total": draw.total}), "utf-8")


if __name__ == "__main__":
    main()
