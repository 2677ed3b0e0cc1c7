"""ONNX: torch's operators as models of one node each, put to whoever runs ONNX models.

``reference`` is the standard's own evaluator, ``runtime`` is ONNX Runtime on the CPU. A call that
the standard has no operator for is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from onnx import ModelProto, helper
from onnx.reference import ReferenceEvaluator

from parity_tests.subjects.adapter import Adapter
from parity_tests.subjects.geometry import each, implicit_dim, sides, with_batch

Array = np.ndarray[Any, Any]
Run = Callable[[list[Array]], Any]

OPSET = 23


class Evaluator:
    """Calls single operators of ONNX; ``load`` makes a model something to run."""

    def __init__(self, load: Callable[[ModelProto], Run]) -> None:
        self.loaded = cache(lambda *key: load(model(*key)))

    def call(self, op: str, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> Any:
        """The operator's output, or outputs; inputs that are None are left out."""
        given = [x for x in inputs if x is not None]
        # A vector's length is told, as what says sizes or axes decides on shapes.
        kinds = tuple(
            None if x is None else (x.dtype.name, x.shape if x.ndim < 2 else (None,) * x.ndim)
            for x in inputs
        )
        frozen = tuple(
            sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())
        )
        results = self.loaded(op, kinds, outputs, frozen)([np.asarray(x, order="C") for x in given])
        return results[0] if outputs == 1 else results


def model(
    op: str,
    kinds: tuple[tuple[str, tuple[int | None, ...]] | None, ...],
    outputs: int,
    attributes: tuple[tuple[str, Any], ...],
) -> ModelProto:
    """One node, of inputs of these dtypes and shapes."""
    names = ["" if kind is None else f"x{i}" for i, kind in enumerate(kinds)]
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(kind[0])), kind[1]
        )
        for name, kind in zip(names, kinds, strict=True)
        if kind is not None
    ]
    produced = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, produced, **dict(attributes))
    graph = helper.make_graph(
        [node], op, infos, [helper.make_empty_tensor_value_info(y) for y in produced]
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


class Operators:
    """torch.nn.functional's names, by the operators of an evaluator."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.node = evaluator.call
        self.conv1d = self.conv2d = self.conv3d = self.conv
        self.conv_transpose1d = self.conv_transpose2d = self.conv_transpose3d = self.conv_transpose
        for n in (1, 2, 3):
            setattr(self, f"max_pool{n}d", partial(self.max_pool, n))
            setattr(self, f"avg_pool{n}d", partial(self.avg_pool, n))
            setattr(self, f"max_unpool{n}d", partial(self.max_unpool, n))
            setattr(self, f"adaptive_avg_pool{n}d", partial(self.adaptive, n, "GlobalAveragePool"))
            setattr(self, f"adaptive_max_pool{n}d", partial(self.adaptive, n, "GlobalMaxPool"))

    def conv(
        self,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Array:
        """Conv."""
        n = weight.ndim - 2
        x, alone = with_batch(input, n)
        around = sides(padding, weight.shape[2:], each(dilation, n))
        y = self.node(
            "Conv",
            *(x, weight, bias),
            strides=each(stride, n),
            dilations=each(dilation, n),
            group=groups,
            pads=[p for p, _ in around] + [p for _, p in around],
        )
        return y[0] if alone else y

    def conv_transpose(
        self,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Array:
        """ConvTranspose."""
        n = weight.ndim - 2
        x, alone = with_batch(input, n)
        y = self.node(
            "ConvTranspose",
            *(x, weight, bias),
            strides=each(stride, n),
            pads=[*each(padding, n)] * 2,
            output_padding=each(output_padding, n),
            dilations=each(dilation, n),
            group=groups,
        )
        return y[0] if alone else y

    def linear(self, input: Array, weight: Array, bias: Array | None = None) -> Array:
        """Gemm, of matrices."""
        if weight.ndim != 2 or input.ndim < 2:
            raise NotImplementedError("vectors")
        y = self.node(
            "Gemm",
            input.reshape(math.prod(input.shape[:-1]), input.shape[-1]),
            weight,
            bias,
            transB=1,
        )
        return y.reshape(*input.shape[:-1], weight.shape[0])

    def max_pool(
        self,
        n: int,
        input: Array,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """MaxPool; its indices count through all planes, torch's through each."""
        x, alone = with_batch(input, n)
        y, where = self.node(
            "MaxPool",
            x,
            outputs=2,
            kernel_shape=each(kernel_size, n),
            strides=each(kernel_size if stride is None else stride, n),
            pads=[*each(padding, n)] * 2,
            dilations=each(dilation, n),
            ceil_mode=int(ceil_mode),
        )
        where = where % math.prod(x.shape[2:])
        y, where = (y[0], where[0]) if alone else (y, where)
        return (y, where) if return_indices else y

    def avg_pool(
        self,
        n: int,
        input: Array,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        """AveragePool."""
        if divisor_override is not None:
            raise NotImplementedError("divisor_override")
        x, alone = with_batch(input, n)
        y = self.node(
            "AveragePool",
            x,
            kernel_shape=each(kernel_size, n),
            strides=each(kernel_size if stride is None else stride, n),
            pads=[*each(padding, n)] * 2,
            ceil_mode=int(ceil_mode),
            count_include_pad=int(count_include_pad),
        )
        return y[0] if alone else y

    def adaptive(
        self, n: int, op: str, input: Array, output_size: Any, return_indices: bool = False
    ) -> Array:
        """GlobalAveragePool or GlobalMaxPool."""
        sizes = (output_size,) if output_size is None else each(output_size, n)
        if return_indices or any(size != 1 for size in sizes):
            raise NotImplementedError("an output_size other than 1, return_indices")
        x, alone = with_batch(input, n)
        y = self.node(op, x)
        return y[0] if alone else y

    def max_unpool(
        self,
        n: int,
        input: Array,
        indices: Array,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Array:
        """MaxUnpool; its indices count through all planes of the output."""
        x, alone = with_batch(input, n)
        where = indices[None] if alone else indices
        kernel, p = each(kernel_size, n), each(padding, n)
        steps = each(kernel if stride is None else stride, n)
        sizes = [
            (k - 1) * s + kernel - 2 * side
            for k, s, kernel, side in zip(x.shape[2:], steps, kernel, p, strict=True)
        ]
        if output_size is not None and [*output_size[-n:]] != sizes:
            raise NotImplementedError("an output_size that is not the smallest")
        planes = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * n)
        y = self.node(
            "MaxUnpool",
            x,
            where + planes * math.prod(sizes),
            kernel_shape=kernel,
            strides=steps,
            pads=[*p] * 2,
        )
        return y[0] if alone else y

    def batch_norm(
        self,
        input: Array,
        running_mean: Array | None,
        running_var: Array | None,
        weight: Array | None = None,
        bias: Array | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Array:
        """BatchNormalization, whose momentum weighs the old statistics."""
        c = input.shape[1]
        one, zero = np.ones(c, input.dtype), np.zeros(c, input.dtype)
        mean = zero if running_mean is None else running_mean
        variance = one if running_var is None else running_var
        given = (
            *(input, one if weight is None else weight, zero if bias is None else bias),
            *(mean, variance),
        )
        if not training:
            return self.node("BatchNormalization", *given, epsilon=eps)
        y, mean, variance = self.node(
            "BatchNormalization",
            *given,
            outputs=3,
            epsilon=eps,
            momentum=1 - momentum,
            training_mode=1,
        )
        if running_mean is not None and running_var is not None:
            running_mean[...], running_var[...] = mean, variance
        return y

    def instance_norm(
        self,
        input: Array,
        running_mean: Array | None = None,
        running_var: Array | None = None,  # noqa: ARG002 - torch's signature
        weight: Array | None = None,
        bias: Array | None = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,  # noqa: ARG002
        eps: float = 1e-5,
    ) -> Array:
        """InstanceNormalization."""
        if running_mean is not None or not use_input_stats:
            raise NotImplementedError("running statistics")
        c = input.shape[1]
        scale = np.ones(c, input.dtype) if weight is None else weight
        shift = np.zeros(c, input.dtype) if bias is None else bias
        return self.node("InstanceNormalization", input, scale, shift, epsilon=eps)

    def layer_norm(
        self,
        input: Array,
        normalized_shape: Any,
        weight: Array | None = None,
        bias: Array | None = None,
        eps: float = 1e-5,
    ) -> Array:
        """LayerNormalization."""
        scale = np.ones(normalized_shape, input.dtype) if weight is None else weight
        axis = -len(normalized_shape)
        return self.node("LayerNormalization", input, scale, bias, axis=axis, epsilon=eps)

    def group_norm(
        self,
        input: Array,
        num_groups: int,
        weight: Array | None = None,
        bias: Array | None = None,
        eps: float = 1e-5,
    ) -> Array:
        """GroupNormalization."""
        c = input.shape[1]
        scale = np.ones(c, input.dtype) if weight is None else weight
        shift = np.zeros(c, input.dtype) if bias is None else bias
        return self.node(
            "GroupNormalization", input, scale, shift, num_groups=num_groups, epsilon=eps
        )

    def rms_norm(
        self,
        input: Array,
        normalized_shape: Any,
        weight: Array | None = None,
        eps: float | None = None,
    ) -> Array:
        """RMSNormalization."""
        scale = np.ones(normalized_shape, input.dtype) if weight is None else weight
        small = float(np.finfo(input.dtype).eps) if eps is None else eps
        axis = -len(normalized_shape)
        return self.node("RMSNormalization", input, scale, axis=axis, epsilon=small)

    def local_response_norm(
        self, input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> Array:
        """LRN."""
        return self.node("LRN", input, size=size, alpha=alpha, beta=float(beta), bias=float(k))

    def normalize(
        self,
        input: Array,
        p: float = 2.0,
        dim: int = 1,
        eps: float = 1e-12,
        out: None = None,
    ) -> Array:
        """LpNormalization, of which torch's p may be 1 or 2; it has no eps."""
        if p not in (1, 2) or not isinstance(dim, int) or eps != 1e-12 or out is not None:
            raise NotImplementedError("p, eps, or several axes")
        return self.node("LpNormalization", input, p=int(p), axis=dim)

    def relu(self, input: Array, inplace: bool = False) -> Array:
        """Relu."""
        return self.written(input, self.node("Relu", input), inplace)

    def relu6(self, input: Array, inplace: bool = False) -> Array:
        """Clip."""
        return self.hardtanh(input, 0.0, 6.0, inplace)

    def hardtanh(
        self, input: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
    ) -> Array:
        """Clip."""
        bounds = (np.asarray(bound, input.dtype) for bound in (min_val, max_val))
        return self.written(input, self.node("Clip", input, *bounds), inplace)

    def leaky_relu(
        self, input: Array, negative_slope: float = 0.01, inplace: bool = False
    ) -> Array:
        """LeakyRelu."""
        y = self.node("LeakyRelu", input, alpha=float(negative_slope))
        return self.written(input, y, inplace)

    def elu(self, input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
        """Elu."""
        return self.written(input, self.node("Elu", input, alpha=float(alpha)), inplace)

    def written(self, input: Array, y: Array, inplace: bool) -> Array:
        """To the input, where that is asked for."""
        if not inplace:
            return y
        input[...] = y
        return input

    def softplus(self, input: Array, beta: float = 1, threshold: float = 20) -> Array:
        """Softplus, which has neither beta nor threshold."""
        if (beta, threshold) != (1, 20):
            raise NotImplementedError("beta, threshold")
        return self.node("Softplus", input)

    def sigmoid(self, input: Array) -> Array:
        """Sigmoid."""
        return self.node("Sigmoid", input)

    def tanh(self, input: Array) -> Array:
        """Tanh."""
        return self.node("Tanh", input)

    def softmax(
        self, input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Array:
        """Softmax."""
        return self.along("Softmax", input, dim, dtype)

    def log_softmax(
        self, input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Array:
        """LogSoftmax."""
        return self.along("LogSoftmax", input, dim, dtype)

    def along(self, op: str, input: Array, dim: int | None, dtype: Any) -> Array:
        """An operator along an axis, of the input's own dtype."""
        if dtype is not None:
            raise NotImplementedError("dtype")
        if not input.ndim:
            raise NotImplementedError("no axes")
        return self.node(op, input, axis=implicit_dim(input.ndim) if dim is None else dim)

    def interpolate(
        self,
        input: Array,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> Array:
        """Resize, with the attributes that torch's exporter writes."""
        if mode in ("area", "lanczos") or recompute_scale_factor:
            raise NotImplementedError("mode='area', mode='lanczos', recompute_scale_factor")
        n = input.ndim - 2
        places = "align_corners" if align_corners else "pytorch_half_pixel"
        ways: dict[str, dict[str, Any]] = {
            "nearest": {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            },
            "nearest-exact": {
                "mode": "nearest",
                "coordinate_transformation_mode": "half_pixel",
                "nearest_mode": "round_prefer_ceil",
            },
            "bicubic": {
                "mode": "cubic",
                "coordinate_transformation_mode": places,
                "cubic_coeff_a": -0.75,
            },
        }
        linear = {"mode": "linear", "coordinate_transformation_mode": places}
        how = ways.get(mode, linear)
        if antialias:
            how["antialias"] = 1
        if size is not None:
            sizes = np.array([*input.shape[:2], *each(size, n)])
            return self.node("Resize", input, None, None, sizes, **how)
        factors = (scale_factor,) * n if isinstance(scale_factor, int | float) else scale_factor
        return self.node("Resize", input, None, np.array([1, 1, *factors], np.float32), **how)

    def pad(
        self, input: Array, pad: Any, mode: str = "constant", value: float | None = None
    ) -> Array:
        """Pad."""
        before, after = [*pad[::2]][::-1], [*pad[1::2]][::-1]
        axes = np.arange(input.ndim - len(before), input.ndim)
        names = {"replicate": "edge", "circular": "wrap"}
        filling = np.asarray(value or 0, input.dtype) if mode == "constant" else None
        return self.node(
            "Pad",
            input,
            np.array(before + after, np.int64),
            filling,
            axes,
            mode=names.get(mode, mode),
        )

    def pixel_shuffle(self, input: Array, upscale_factor: int) -> Array:
        """DepthToSpace, in the order of columns and rows; of four axes."""
        x = input.reshape(math.prod(input.shape[:-3]), *input.shape[-3:])
        y = self.node("DepthToSpace", x, blocksize=upscale_factor, mode="CRD")
        return y.reshape(*input.shape[:-3], *y.shape[1:])

    def fold(
        self,
        input: Array,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> Array:
        """Col2Im."""
        x = input if input.ndim == 3 else input[None]
        y = self.node(
            "Col2Im",
            *(x, np.array(each(output_size, 2)), np.array(each(kernel_size, 2))),
            dilations=each(dilation, 2),
            pads=[*each(padding, 2)] * 2,
            strides=each(stride, 2),
        )
        return y if input.ndim == 3 else y[0]


def by_reference(model: ModelProto) -> Run:
    """The standard's own evaluator."""
    evaluator = ReferenceEvaluator(model)
    names = [x.name for x in model.graph.input]
    return lambda arrays: evaluator.run(None, dict(zip(names, arrays, strict=True)))


def by_runtime(model: ModelProto) -> Run:
    """ONNX Runtime on the CPU, one thread; operators that lack a dtype are not implemented."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except states.NotImplemented as error:
        raise NotImplementedError(f"ONNX Runtime has no kernel: {error}") from error
    names = [x.name for x in model.graph.input]
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))


DTYPES = ("float32", "float64")
own = partial(Adapter.numpy, dtypes=DTYPES, conventions=False, complete=False)
reference = own(Operators(Evaluator(by_reference)))
runtime = own(Operators(Evaluator(by_runtime)))
