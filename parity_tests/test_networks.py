"""Networks on the operators: every call within its bound, every step where torch's run goes."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, seed, settings
from torch import Tensor, nn

import reimpl
from parity_tests.networks import NETWORKS
from parity_tests.networks.calls import Recorder
from parity_tests.networks.drawn import Drawn, networks
from parity_tests.networks.network import Network
from parity_tests.networks.training import OPTIMIZERS, STEPS, distances, train
from parity_tests.run import Run

EXAMPLES = {"quick": 20, "default": 40, "deep": 500}  # random networks, by the profile's name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_trains_step_for_step(network: Network, optimizer: str) -> None:
    """Twenty steps end where torch's do, give or take what one unit in the last place changes."""
    recorder, judged = Recorder(reimpl), 0

    def judge() -> None:
        nonlocal judged
        judged += len(recorder.calls)
        assert not list(recorder.departures())
        recorder.calls.clear()

    ours = train(network, OPTIMIZERS[optimizer], recorder.operators, after_step=judge)
    torchs = train(network, OPTIMIZERS[optimizer])
    nudged = train(network, OPTIMIZERS[optimizer], nudged=True)
    assert judged >= 5 * STEPS
    assert ours.losses[-1] != ours.losses[0]
    allowed = distances(nudged, torchs)
    for what, apart in distances(ours, torchs).items():
        assert apart <= 10 * allowed[what], what


def disagreement(drawn: Drawn, operators: Any) -> str | None:
    """What is off, and the first operator to blame; None where all agrees."""
    theirs, ours = copy.deepcopy(drawn.model), copy.deepcopy(drawn.model)
    recorder, batch = Recorder(operators), drawn.batch().requires_grad_()
    same = drawn.batch().requires_grad_()
    output = theirs(same)
    # Never ones: what sums to nothing under them, as behind a norm, would not be tested.
    random = torch.Generator().manual_seed(drawn.seed)
    cotangent = torch.randn(output.shape, dtype=output.dtype, generator=random)
    output.backward(cotangent)
    with reimpl.everywhere(recorder.operators):
        output = ours(batch)
    output.backward(cotangent)
    for place, departure in recorder.departures():
        return f"call {place + 1} of {len(recorder.calls)}: {departure}"
    if drawn.dtype == torch.float64:  # the calls are right; are they put together right?
        mine = {"the input": batch, **dict(ours.named_parameters())}
        for (name, one), other in zip(mine.items(), (same, *theirs.parameters()), strict=True):
            if not near(one.grad, other.grad):
                return f"the gradient of {name}, though every call is within its bound"
    return None


def near(one: Tensor | None, other: Tensor | None) -> bool:
    """Equal but for rounding: a gradient that is missing or taken twice is far off."""
    if one is None or other is None:
        return one is other
    return torch.allclose(one, other, 1e-5, 1e-5 * float(other.abs().max() + 1))


def test_random_networks_agree(parity_run: Run) -> None:
    @seed(parity_run.plan.seed)
    @settings(
        max_examples=EXAMPLES[parity_run.plan.profile.name],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def agree(drawn: Drawn) -> None:
        assert disagreement(drawn, reimpl) is None

    agree()


def with_fault(name: str, broken: Any) -> SimpleNamespace:
    return SimpleNamespace(**{n: getattr(reimpl, n) for n in reimpl.__all__} | {name: broken})


def wrong_value(input: Tensor, *rest: Any, **options: Any) -> Any:
    return reimpl.avg_pool2d(input, *rest, **options) * (1 + 1e-12)


def wrong_gradient(input: Tensor, *rest: Any, **options: Any) -> Any:
    output = reimpl.avg_pool2d(input, *rest, **options)
    return output + (output * 1e-9 - (output * 1e-9).detach())


@pytest.mark.parametrize("broken", [wrong_value, wrong_gradient])
def test_the_first_operator_to_leave_its_bound_is_named(broken: Any) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 3, 3), nn.Tanh(), nn.AvgPool2d(2), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1))
    drawn = Drawn(nn.Sequential(*layers).double(), (2, 2, 8, 8), torch.float64, False, 0)
    said = disagreement(drawn, with_fault("avg_pool2d", broken))
    assert said is not None
    assert said.startswith("call 3 of 5: avg_pool2d: ")
    assert disagreement(drawn, reimpl) is None


def test_buffers_are_judged() -> None:
    def forgets(input: Tensor, mean: Tensor, var: Tensor, **rest: Any) -> Any:
        return reimpl.batch_norm(input, mean.clone(), var, **rest)

    model = nn.Sequential(nn.BatchNorm2d(3)).double()
    drawn = Drawn(model, (4, 3, 2, 2), torch.float64, False, 0)
    said = disagreement(drawn, with_fault("batch_norm", forgets))
    assert said is not None
    assert "running_mean" in said
