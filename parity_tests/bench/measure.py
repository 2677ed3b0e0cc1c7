"""Times and memory of a call, ours beside torch's.

Absolute times depend on what else the machine does; a ratio within one round does not, or far
less. Every round draws fresh data and runs each side once, in turns who goes first.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import reimpl
from parity_tests.bench.shapes import Shape

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own lines, on every use

ROUNDS = 7
LEAST_SECONDS = 0.002  # a measurement repeats its call until it takes at least this long
LARGE = 50e6  # multiplications from which on a convolution stands beside a product

PASSES = ("forward", "forward+backward")
Run = Callable[[], Any]
Times = dict[str, float]


def inputs(shape: Shape, dtype: torch.dtype, device: str, *, grad: bool) -> dict[str, Tensor]:
    """Fresh data."""
    made = {n: torch.randn(s, dtype=dtype, device=device) for n, s in shape.tensors.items()}
    if "running_var" in made:
        made["running_var"].abs_()
    for name, t in made.items():
        t.requires_grad_(grad and not name.startswith("running"))
    if shape.op.startswith("max_unpool"):
        N, C, *L = made["input"].shape
        big = torch.randn(N, C, *(2 * l for l in L), dtype=dtype, device=device)
        made["indices"] = F.max_pool2d(big, 2, return_indices=True)[1]
    return made


def sides(shape: Shape, dtype: torch.dtype, pass_: str, device: str) -> dict[str, Run]:
    """Our call and torch's on the same fresh data, and for large convolutions the product."""
    grad = pass_ != "forward"
    tensors = inputs(shape, dtype, device, grad=grad)
    leaves = [t for t in tensors.values() if t.requires_grad]
    ours, torchs = calls(shape, tensors)
    cotangent = torch.randn_like(all_of(torchs())[0])

    def side(call: Run) -> Run:
        return lambda: torch.autograd.grad(all_of(call())[0], leaves, cotangent) if grad else call()

    runs = {"ours": side(ours), "torch": side(torchs)}
    product = same_product(shape, cotangent)
    if product is not None:
        runs["product"] = (lambda: [product() for _ in range(3)]) if grad else product
    return runs


def calls(shape: Shape, tensors: dict[str, Tensor]) -> tuple[Run, Run]:
    """Our call and torch's."""
    ours, torchs = getattr(reimpl, shape.op), getattr(F, shape.op)
    return lambda: ours(**tensors, **shape.options), lambda: torchs(**tensors, **shape.options)


def all_of(result: Any) -> tuple[Tensor, ...]:
    """The outputs: one, or values and indices."""
    return (result,) if isinstance(result, Tensor) else tuple(result)


def same_product(shape: Shape, output: Tensor) -> Run | None:
    """A matrix product of as many operations as a large convolution has; None for other calls.

    One row per output channel of the convolution, one column per position; for the transposed
    convolution those of its input. Forward and backward are three such products.
    """
    if not shape.op.startswith("conv"):
        return None
    transposed = "transpose" in shape.op
    N, C, *M = shape.tensors["input"] if transposed else output.shape
    G = shape.options.get("groups", 1)
    rows, inner, columns = C // G, math.prod(shape.tensors["weight"][1:]), N * math.prod(M)
    if rows == 1 or G * rows * inner * columns < LARGE:  # depthwise, that is a product by vectors
        return None
    a, b = output.new_empty(G, rows, inner).normal_(), output.new_empty(G, inner, columns).normal_()
    return lambda: torch.bmm(a, b) if G > 1 else torch.mm(a[0], b[0])


def seconds(run: Run, device: str = "cpu") -> float:
    """Time of one call, from as many as take long enough: the processor's, or the GPU's."""
    run()
    count, spent = 1, 0.0
    while True:
        spent = elapsed(run, count, device)
        if spent >= LEAST_SECONDS:
            return spent / count
        count = max(2 * count, math.ceil(count * LEAST_SECONDS / max(spent, 1e-6)))


def elapsed(run: Run, count: int, device: str) -> float:
    """Seconds that so many calls take."""
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3
    begun = time.process_time()
    for _ in range(count):
        run()
    return time.process_time() - begun


def rounds(shape: Shape, dtype: torch.dtype, pass_: str, device: str) -> Iterator[Times]:
    """What each side took, round by round."""
    with torch.set_grad_enabled(pass_ != "forward"):
        for number in range(ROUNDS):
            runs = sides(shape, dtype, pass_, device)
            order = sorted(runs, reverse=bool(number % 2))
            yield {who: seconds(runs[who], device) for who in order}


def entry(shape: Shape, dtype: torch.dtype, pass_: str, device: str) -> dict[str, Any]:
    """One row of the table; ``spread`` holds the quartiles of the rounds' ratios."""
    took = list(rounds(shape, dtype, pass_, device))
    ratios = [t["ours"] / t["torch"] for t in took]
    low, _, high = statistics.quantiles(ratios, n=4)
    beside = [t["ours"] / t["product"] for t in took if "product" in t]
    return {
        "name": shape.name,
        "op": shape.op,
        "dtype": str(dtype).removeprefix("torch."),
        "pass": pass_,
        "tiny": shape.tiny,
        "ours_ms": round(1e3 * statistics.median(t["ours"] for t in took), 4),
        "torch_ms": round(1e3 * statistics.median(t["torch"] for t in took), 4),
        "ratio": round(statistics.median(ratios), 3),
        "spread": [round(low, 3), round(high, 3)],
        "memory_ratio": None if shape.tiny else memory_ratio(shape, dtype, pass_, device),
        "gemm_ratio": round(statistics.median(beside), 3) if beside else None,
    }


def memory_ratio(shape: Shape, dtype: torch.dtype, pass_: str, device: str) -> float:
    """Our peak over torch's, of what is allocated during the call, results included."""
    with torch.set_grad_enabled(pass_ != "forward"):
        runs = sides(shape, dtype, pass_, device)
        peak = cuda_peak if device == "cuda" else cpu_peak
        return round(peak(runs["ours"]) / peak(runs["torch"]), 3)


def cuda_peak(run: Run) -> int:
    """Bytes above what was allocated before."""
    run()  # libraries take their workspaces once
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() - before


def cpu_peak(run: Run) -> int:
    """Bytes above what was allocated before, by the profiler's record of torch's allocator.

    It sees what kernels allocate inside, and no scratch memory of oneDNN's and MKL's own.
    """
    run()
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        kept = run()  # until the end: what a call returns counts
    del kept
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    memory = sorted((e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"])
    now = peak = 0
    for event in memory:
        now += event["args"]["Bytes"]
        peak = max(peak, now)
    return peak
