"""One call of one subject, and what everyone runs it in.

The subject and torch run on copies of their own, from the same state of the random generator, amid
memory that was poisoned before it was freed.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from parity_tests import regions
from parity_tests.expectations import Expectation, excuse
from parity_tests.experiments import is_integer
from parity_tests.ledger import Ledger
from parity_tests.modes import PLAIN, Mode
from parity_tests.op import Call, Op, Tensors
from parity_tests.recipe import Recipe
from parity_tests.running_error import Rounding
from parity_tests.strategies import stream
from parity_tests.subjects import TORCH, Subject

T = TypeVar("T")

SMALLEST = 5e-324  # of double precision
NOT_THE_SUBJECTS = str(Path(__file__).parent), str(Path(torch.__file__).parent)
SEED = 20  # of torch's generator, for operators and modules that draw from it


class Departure(AssertionError):
    """The subject does not do what torch does. ``details`` go into the report as they are."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.trial: Trial  # set where the check ran


class Unsupported(Exception):
    """The subject says NotImplementedError, or has no such operator."""


class TorchCrashes(Exception):
    """Torch would take the process along: there is nothing to compare with."""


class NoKernel(Exception):
    """Torch has no kernel for this call in this dtype."""


class InvalidCall(Exception):
    """A declaration drew a call that torch rejects in float64: the declaration is wrong."""


@dataclass
class Trial:
    """One call, on one dtype and device, of one subject: what a check is given."""

    op: Op
    check: str
    call: Call
    subject: Subject
    dtype: torch.dtype
    device: str
    regime: str = "ordinary"
    ledger: Ledger = field(default_factory=Ledger)
    expectations: tuple[Expectation, ...] = ()
    measured: bool = True  # compute the bound even where the result is close enough without it
    deep: bool = False
    place: Call | None = None  # in whose region it lies, where it is not ``call`` itself
    thorough: bool = False  # arbitrate and audit, though it takes seconds
    announce: Callable[[Trial], None] | None = None  # told before the subject runs
    mode: Mode = PLAIN  # what autograd does while the subject and torch run
    truths: dict[Any, Any] = field(default_factory=dict, init=False)  # see ``truth_of``

    @property
    def target(self) -> Callable[..., Any]:
        """The subject's callable."""
        if self.subject.is_torch:
            return self.torch
        found = self.subject.find(self.op.name)
        if found is None:
            raise Unsupported(f"{self.subject.name} has no {self.op.name}")
        return found

    @property
    def torch(self) -> Callable[..., Any]:
        """Torch's callable, or its composition of the same meaning."""
        return torchs(self.op)

    @property
    def oracle(self) -> Callable[..., Any]:
        """What tells the truth, in float64 on the CPU with oneDNN off: torch's callable mostly."""
        return self.op.oracle(self.dtype) if self.op.oracle else self.torch

    @property
    def reference(self) -> Callable[..., Any]:
        """Torch's callable, for the trial's own dtype and device; raises where it would crash."""
        crash = excuse(self, crash=True)
        if crash is not None:
            raise TorchCrashes(crash.reason)
        return self.torch

    def tensors(self) -> Tensors:
        """Fresh tensors of the call."""
        return self.call.tensors(self.dtype, self.device)

    def one_in(self, n: int, purpose: str) -> bool:
        """True for one in n trials, always the same ones: for judges too dear for all."""
        return self.call.one_in(n, purpose)

    @property
    def onednn(self) -> bool:
        """Whether torch may use oneDNN: in a fixed share of the trials its own kernels are met."""
        return not regions.without_onednn(self.call)

    @property
    def cudnn(self) -> bool:
        """Likewise on CUDA: in the other trials torch's native kernels are met."""
        return not regions.without_cudnn(self.call)

    @property
    def rounding(self) -> Rounding:
        """How the subject may round: TF32 where that is what is checked."""
        return "tf32" if self.check == "tf32" else self.subject.abilities.rounding

    def cotangent(self, name: str, output: Tensor) -> Tensor:
        """The cotangent of an output: the recipe's numbers in the output's shape."""
        return cotangent_of(self.call, name, output, self.dtype, self.device)

    def blame(self, party: str, message: str, **details: Any) -> None:
        """Someone is wrong. Torch may be excused; the subject never is by torch's excuses.

        Where torch is only the reference its fault is kept, and the search goes on.
        """
        if self.mode is not PLAIN:
            message = f"in {self.mode.name}: {message}"
            details = {**details, "mode": self.mode.name}
        if party != "torch":
            raise Departure(message, **details)
        excused = self.excuse_of_torch(details)
        if excused is not None:
            self.ledger.excuse(self, excused.reason)
        elif self.subject.is_torch:
            raise Departure(message, **details)
        else:
            self.ledger.torch_fault(self, message, details)

    def excuse_of_torch(self, details: Mapping[str, Any]) -> Expectation | None:
        """The entry that excuses torch for a departure, if one does."""
        owner = replace(self, check=claim_of(self.check, details))
        return excuse(self, details=details) or excuse(owner, details=details)

    @contextmanager
    def subject_at_work(self) -> Iterator[None]:
        """What is raised in here is the subject's doing; elsewhere it would be the suite's."""
        try:
            yield
        except (Departure, Unsupported):
            raise
        except NotImplementedError as error:
            raise Unsupported(f"{self.subject.name}: {error}") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, for one, would end this process
            where = {"raised at": line} if (line := raised_at(error)) else {}
            raise Departure(f"raised {named(error)}", kind="exception", **where) from error

    def depart(self, message: str, **details: Any) -> None:
        """The subject is wrong."""
        self.blame("torch" if self.subject.is_torch else self.subject.name, message, **details)


def claim_of(check: str, details: Mapping[str, Any]) -> str:
    """The check whose claim a result belongs to: outputs are compared while gradients are taken.

    A fault of torch that is known of the forward excuses torch's outputs there as well.
    """
    result = str(details.get("result", ""))
    if result.startswith("output"):
        return "forward"
    return "gradients" if result.startswith("gradient of ") else check


def torchs(op: Op) -> Callable[..., Any]:
    """Torch's callable for an operator, or its composition of the same meaning."""
    found = op.reference or TORCH.find(op.name)
    assert found is not None, f"torch has no {op.name}"
    return found


@cache
def stream_of(name: str) -> int:
    """The seed of a result's cotangents: there are few names, and many cotangents."""
    return stream(name)


def cotangent_recipe(call: Call, name: str, output: Tensor, dtype: torch.dtype) -> Recipe:
    """The cotangent of an output: the call's kind of numbers in the output's shape.

    They are complex where the output is, though the dtype under test may be real.
    """
    like, seed = call.cotangent, (call.cotangent.seed << 16) + stream_of(name) % 2**16
    other = output.is_complex() and not dtype.is_complex
    own = str(dtype.to_complex()).removeprefix("torch.") if other else None
    return Recipe(tuple(output.shape), like.fill, like.layout, seed, dtype=own, state=like.state)


def cotangent_of(call: Call, name: str, output: Tensor, dtype: torch.dtype, device: str) -> Tensor:
    """Its tensor."""
    return cotangent_recipe(call, name, output, dtype).tensor(dtype, device)


@contextmanager
def at_work(trial: Trial) -> Iterator[None]:
    """What the subject and torch alike run in."""
    with onednn(enabled=trial.onednn), on_cuda(trial), seeded(), undisturbed():
        yield


@contextmanager
def onednn(*, enabled: bool) -> Iterator[None]:
    """Torch with oneDNN, or without it."""
    # Not ``torch.backends.mkldnn.flags``: it reads and writes three more settings each time.
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(enabled)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextmanager
def on_cuda(trial: Trial) -> Iterator[None]:
    """On CUDA: cuDNN off in the share of the trials that has oneDNN off, TF32 where it is checked.

    cuDNN allows TF32 by default, and matrix products do not.
    """
    if trial.device != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    allowed, before = trial.check == "tf32", matmul.allow_tf32
    # By ``flags``: once torch.testing._internal is imported, cuDNN's cannot be assigned any more.
    kept = cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic
    with cudnn.flags(trial.cudnn, *kept, allowed):
        matmul.allow_tf32 = allowed
        try:
            yield
        finally:
            matmul.allow_tf32 = before


def subnormals_kept() -> bool:
    """Whether the processor computes with subnormal numbers: else it takes them for zero."""
    return SMALLEST * 1.0 != 0


def surroundings() -> dict[str, Any]:
    """What a call must leave as it found it."""
    return {
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "cuDNN's benchmark": torch.backends.cudnn.benchmark,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic algorithms, warnings only": (
            torch.is_deterministic_algorithms_warn_only_enabled()
        ),
        "detection of anomalies": torch.is_anomaly_enabled(),
        "oneDNN": torch.backends.mkldnn.enabled,
        "cuDNN": torch.backends.cudnn.enabled,
        "subnormal numbers": subnormals_kept(),
        "default device": torch.get_default_device(),
        "autocast on the CPU": torch.is_autocast_enabled("cpu"),
        "autocast on CUDA": torch.is_autocast_enabled("cuda"),
    }


@contextmanager
def left_as_found(trial: Trial) -> Iterator[None]:
    """The subject changes nothing around it while it runs in here."""
    before = surroundings()
    yield
    changed = {k: v for k, v in surroundings().items() if v != before[k]}
    if changed:
        was = {k: before[k] for k in changed}
        trial.depart(f"global state changed: {was} became {changed}", kind="global state")


# How a setting is read, and how it is set.
RESTORED: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (lambda: torch.backends.mkldnn.enabled, torch.backends.mkldnn.set_flags),
    (subnormals_kept, lambda kept: torch.set_flush_denormal(not kept)),
)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore torch's global settings after each check, so that one subject spoils one check."""
    before = [get() for get, _ in RESTORED]
    try:
        yield
    finally:
        for (get, restore), value in zip(RESTORED, before, strict=True):
            if get() != value:
                restore(value)


@cache
def has_cuda() -> bool:
    """Whether there is a GPU whose generator wants seeding."""
    return torch.cuda.is_available()


@contextmanager
def seeded(seed: int = SEED) -> Iterator[None]:
    """The same state of torch's random generator for everyone, and afterwards the old one."""
    before = torch.random.get_rng_state()
    reseed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(before)


def reseed(seed: int = SEED) -> None:
    """Put torch's random generators into the seed's state."""
    # Not torch.manual_seed: for every device that is absent it writes down the stack, at a cost of
    # more than the rest of most cases.
    torch.default_generator.manual_seed(seed)
    if has_cuda():
        torch.cuda.manual_seed_all(seed)


def poison(tensors: Tensors) -> None:
    """Fill and free blocks of the sizes that outputs and gradients are likely to be given next.

    Who leaves a part of its result unwritten then shows NaN instead of a plausible old number.
    """
    for t in tensors.values():
        value = 77 if is_integer(t) else math.nan
        blocks = [t.new_full((t.numel(),), value) for _ in range(4)]
        del blocks


def of_torch(trial: Trial, run: Callable[[Callable[..., Any]], T]) -> T | None:
    """What torch's callable gives, or None where it raises: that is torch's fault, then."""
    try:
        return run(trial.reference)
    except TorchCrashes:
        raise
    except Exception as error:
        trial.blame("torch", f"torch raised {named(error)}", kind="exception")
        return None


def raised_at(error: BaseException) -> str:
    """The last line of the subject's own code that the exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(NOT_THE_SUBJECTS)]
    return f"{own[-1].filename}:{own[-1].lineno}, in {own[-1].name}: {own[-1].line}" if own else ""


def named(error: BaseException) -> str:
    """The exception's type and the first line of its message."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
