"""Blocks of calls, and what can be said about the difference between two kinds of them."""

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Block:
    """Microseconds per call of one block; CPU is that of the whole process, flush included."""

    cpu_us: float
    wall_us: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def measure(run: Callable[[], None], calls: int, flush: Callable[[], object] | None) -> Block:
    """Runs one block: the calls, then the flush of what they recorded."""
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    run()
    called = time.perf_counter_ns()
    if flush is not None:
        flush()
    return Block((time.process_time_ns() - cpu) / calls / 1000, (called - wall) / calls / 1000)


def summary(pairs: list[tuple[Block, Block]]) -> dict[str, Any]:
    """Returns what the second of each pair takes more than the first, and the ratio of their CPU."""
    found: dict[str, Any] = {}
    for field in ("cpu_us", "wall_us"):
        bare = [getattr(pair[0], field) for pair in pairs]
        traced = [getattr(pair[1], field) for pair in pairs]
        found[f"bare_{field}"] = statistics.fmean(bare)
        differences = [after - before for before, after in zip(bare, traced, strict=True)]
        found[f"added_{field}"] = asdict(_bootstrapped(differences))
        found[f"median_added_{field}"] = statistics.median(traced) - statistics.median(bare)
    found["ratio"] = asdict(_ratio([pair[0].cpu_us for pair in pairs], [pair[1].cpu_us for pair in pairs]))
    return found


def slope(short: dict[str, Any], long: dict[str, Any], chunks: int) -> dict[str, Any]:
    """Returns what is added to a chunk, without what is added to a stream as such."""
    found: dict[str, Any] = {}
    for field in ("added_cpu_us", "added_wall_us"):
        near, far = short[field], long[field]
        mean = (far["mean"] - near["mean"]) / chunks
        spread = ((far["high"] - far["low"]) ** 2 + (near["high"] - near["low"]) ** 2) ** 0.5 / 2 / chunks
        found[field] = asdict(Estimate(mean, mean - spread, mean + spread))
    return found


def _bootstrapped(values: list[float], draws: int = 2000) -> Estimate:
    generator = random.Random(1)
    means = sorted(statistics.fmean(generator.choices(values, k=len(values))) for _ in range(draws))
    return Estimate(statistics.fmean(values), means[int(draws * 0.025)], means[int(draws * 0.975)])


def _ratio(bare: list[float], traced: list[float], draws: int = 2000) -> Estimate:
    generator = random.Random(1)
    pairs = list(zip(bare, traced, strict=True))
    ratios = []
    for _ in range(draws):
        drawn = generator.choices(pairs, k=len(pairs))
        ratios.append(sum(pair[1] for pair in drawn) / sum(pair[0] for pair in drawn))
    ratios.sort()
    return Estimate(sum(traced) / sum(bare), ratios[int(draws * 0.025)], ratios[int(draws * 0.975)])
