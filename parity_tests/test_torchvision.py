"""Torchvision's models on the operators: what is rerouted, and every call within its own bound."""

import importlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reimpl
from parity_tests.networks.calls import Recorder

try:
    models: Any = importlib.import_module("torchvision.models")
except (ImportError, RuntimeError) as error:  # absent, or built for another torch
    pytest.skip(f"torchvision: {error}", allow_module_level=True)

# What torch keeps: sums and joins of tensors, dropout, reductions, shapes.
LEFT = {
    "Tensor.add", "Tensor.backward", "Tensor.add_", "Tensor.chunk", "Tensor.dim", "Tensor.flatten",
    "Tensor.mean", "Tensor.size", "Tensor.sum", "Tensor.square", "Tensor.view", "Tensor.transpose",
    "Tensor.contiguous", "Tensor.__getitem__", "Tensor.mul", "Tensor.requires_grad_", "cat",
    "flatten", "nn.functional.dropout", "transpose", "unsqueeze",
}  # fmt: skip

MODELS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "alexnet": (64, lambda: models.alexnet(weights=None)),
    "vgg11_bn": (32, lambda: models.vgg11_bn(weights=None)),
    "resnet18": (64, lambda: models.resnet18(weights=None)),
    "googlenet": (64, lambda: models.googlenet(weights=None, aux_logits=False, init_weights=False)),
    "densenet121": (32, lambda: models.densenet121(weights=None)),
    "mobilenet_v2": (32, lambda: models.mobilenet_v2(weights=None)),
    "shufflenet_v2": (32, lambda: models.shufflenet_v2_x1_0(weights=None)),
    "fcn_resnet50": (
        32,
        lambda: models.segmentation.fcn_resnet50(weights=None, weights_backbone=None),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_runs_forward_and_backward(name: str) -> None:
    size, build = MODELS[name]
    torch.manual_seed(0)
    model = build()
    batch = torch.randn(2, 3, size, size)
    wanted = Counter(kind_of(module) for module in model.modules())
    del wanted[""]
    recorder = Recorder(reimpl)
    with reimpl.everywhere(recorder.operators) as calls:
        output: Tensor = model(batch)
        output = output["out"] if isinstance(output, dict) else output
        output.square().sum().backward()
    assert set(calls.left) <= LEFT
    assert not {name.split(".")[-1].strip("_") for name in calls.left} & set(reimpl.__all__)
    for kind, modules in wanted.items():
        assert calls.rerouted[kind] >= modules, kind
    assert not list(recorder.departures())


def kind_of(module: nn.Module) -> str:
    """The operator that answers for a module, or none."""
    kinds: dict[type[nn.Module], str] = {
        nn.Conv2d: "conv2d",
        nn.BatchNorm2d: "batch_norm",
        nn.Linear: "linear",
        nn.MaxPool2d: "max_pool2d",
        nn.AvgPool2d: "avg_pool2d",
        nn.AdaptiveAvgPool2d: "adaptive_avg_pool2d",
    }
    return kinds.get(type(module), "")
