"""Any model on this implementation: torch's calls rerouted while a context lasts.

A torch function mode sees every call of torch's functions and methods on tensors, from modules,
from torch.nn.functional and from user code alike, before torch does. What it finds in its table it
answers with the operator of that name, whose own calls it does not see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch.nn import init
from torch.overrides import TorchFunctionMode, resolve_name

from reimpl.spellings import ADAPTED, ALIASES, Function


class Everywhere(TorchFunctionMode):
    """The context that :func:`everywhere` returns.

    ``rerouted`` and ``left`` count the calls so far: by the operator that answered, and by the name
    of torch's function where torch did.
    """

    def __init__(self, operators: Any) -> None:
        """Take the operators from any namespace that has torch.nn.functional's names."""
        super().__init__()
        self.table = table(operators)
        self._rerouted: Counter[str] = Counter()
        self._left: Counter[Function] = Counter()

    def __torch_function__(
        self, func: Function, types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Answer the call, or pass it on to torch."""
        kwargs = kwargs or {}
        name, answer = self.table.get(func, ("", None))
        if answer is not None:
            try:
                result = answer(*args, **kwargs)
            except NotImplementedError:
                pass  # sparse, quantized, ...: torch may know more
            else:
                self._rerouted[name] += 1
                return result
        self._left[func] += 1
        return func(*args, **kwargs)

    @property
    def rerouted(self) -> Counter[str]:
        """How many calls each operator answered."""
        return Counter(self._rerouted)

    @property
    def left(self) -> Counter[str]:
        """How many calls torch answered, by function; reading an attribute is no call."""
        names: Counter[str] = Counter()
        for function, count in self._left.items():
            name = resolve_name(function) or getattr(function, "__name__", repr(function))
            if not name.endswith(("__get__", "__set__")):
                names[name.removeprefix("torch.")] += count
        return names


def everywhere(operators: Any = None) -> Everywhere:
    r"""Run whatever torch code the context holds on these operators.

    The functions of torch.nn.functional, torch.nn.init and torch.fft, their aliases in torch,
    torch.Tensor, torch.special and torch._C._nn, and so torch.nn's modules, are answered by the
    operators of the same name; in-place forms stay in place. Everything else is torch's, and
    listed: composites such as multi-head attention are not entered, and a call that an operator
    says it has not implemented is torch's.
    The graph that the calls leave behind is the operators' own: the backward pass may run inside
    the context or after it.

    ``operators`` is any namespace with torch.nn.functional's names, by default :mod:`reimpl`.

    >>> import torch
    >>> layer = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    >>> with everywhere() as calls:
    ...     y = layer(torch.ones(1, 1, 4, 4))
    >>> sorted(calls.rerouted)
    ['conv2d', 'relu']
    """
    if operators is None:
        import reimpl as operators  # complete only once it has imported this module
    return Everywhere(operators)


def table(operators: Any) -> dict[Function, tuple[str, Function]]:
    """Which of torch's callables is answered by what, for the operators that there are."""
    answers: dict[Function, tuple[str, Function]] = {}
    for name in (name for name in dir(operators) if name[0].islower()):
        own = getattr(operators, name)
        theirs = getattr(F, name, None) or getattr(init, name, None)
        if not callable(own):
            continue
        for function in (*ALIASES.get(name, ()), *((theirs,) if callable(theirs) else ())):
            answers[function] = name, own
        for function, adapt in ADAPTED.get(name, {}).items():
            answers[function] = name, adapt(own)
    return answers
