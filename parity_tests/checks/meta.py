"""One claim: on the meta device an operator tells shape, dtype and strides without computing."""

from __future__ import annotations

from torch import Tensor

from parity_tests import experiments
from parity_tests.op import Tensors
from parity_tests.trial import Departure, Trial, Unsupported, named, of_torch
from parity_tests.verdict import strides_differ


def meta(trial: Trial) -> None:
    """Shape, dtype and strides on the meta device are those of the real outputs."""
    trial.ledger.start_case(trial)

    def run(tensors: Tensors, who: object) -> Tensors:
        return experiments.forward(trial.op, who, trial.call, tensors, trial.cotangent)  # type: ignore[arg-type]

    real = of_torch(trial, lambda target: run(trial.tensors(), target))
    if real is None:
        return
    try:
        torchs: Tensors | None = run(on_meta(trial.tensors()), trial.reference)
    except Exception:
        torchs = None  # torch's own meta kernel fails; the subject's is judged all the same
    try:
        got = run(on_meta(trial.tensors()), trial.target)
    except (Departure, Unsupported):
        raise
    except NotImplementedError as error:  # as torch says it, too, of kernels without a meta one
        raise Unsupported(f"{trial.subject.name}: on meta tensors: {error}") from error
    except Exception as error:
        trial.depart(f"on meta tensors: {named(error)}", kind="exception")
        return
    trial.ledger.comparisons += 1
    for name, output in real.items():
        compare_foretold(trial, name, got[name], output, torchs[name] if torchs else None)


def compare_foretold(
    trial: Trial, name: str, mine: Tensor, output: Tensor, torchs: Tensor | None
) -> None:
    """Against the real output, and for strides against what torch foretells, if it does.

    Torch's own meta kernels foretell other strides than its CPU kernels deliver in places.
    """
    if mine.device.type != "meta":
        trial.depart(f"{name} is on {mine.device}, not on meta", kind="device")
    if (mine.shape, mine.dtype) != (output.shape, output.dtype):
        trial.depart(
            f"{name} is {tuple(mine.shape)} {mine.dtype} on meta, "
            f"{tuple(output.shape)} {output.dtype} in truth",
            kind="shape",
        )
    if torchs is not None and all(strides_differ(mine, other) for other in (output, torchs)):
        trial.depart(
            f"strides of {name} on meta: {mine.stride()}, in truth {output.stride()}",
            kind="strides",
        )


def on_meta(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors without their data, strides kept."""
    return {
        name: t.new_empty_strided(t.shape, t.stride(), device="meta") for name, t in tensors.items()
    }
