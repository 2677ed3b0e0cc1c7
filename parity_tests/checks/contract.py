"""One claim: the same interface, down to a module's state_dict, repr and initial weights."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from parity_tests.checks.purity import same_bits
from parity_tests.experiments import outputs_of
from parity_tests.trial import SEED, Departure, Trial, seeded


def contract(trial: Trial) -> None:
    """Parameter names, order and defaults; for modules repr, state, initial weights, copies."""
    trial.ledger.start_case(trial)
    compare_signatures(trial)
    compare = compare_modules if trial.op.is_module else compare_spellings
    try:
        with trial.subject_at_work():
            compare(trial)
    except Departure as departure:
        trial.depart(departure.message, **departure.details)
    trial.ledger.comparisons += 1


def compare_signatures(trial: Trial) -> None:
    """Torch's parameters in torch's order with torch's defaults; more may follow, with defaults."""
    try:
        got = outline(trial.target)
    except ValueError:
        return  # a built-in: what its names and order are, the calls by name and place tell
    # Modules can be inspected, so that each version of torch speaks for itself.
    wanted = outline(trial.torch) if trial.op.is_module else outline_of(trial.op.parameters)
    extra = got[len(wanted) :]
    if trial.subject.is_torch and "args" in dict(got):
        return
    if got[: len(wanted)] != wanted or any(not default for _, default in extra):
        trial.depart(f"the signature is {got}, torch's {wanted}", kind="signature")


def outline(target: Callable[..., Any]) -> list[tuple[str, str]]:
    """Parameter names with their defaults as text, in order."""
    return outline_of(inspect.signature(target))


def outline_of(signature: inspect.Signature) -> list[tuple[str, str]]:
    return [
        (name, "" if p.default is p.empty else repr(p.default))
        for name, p in signature.parameters.items()
    ]


def compare_spellings(trial: Trial) -> None:
    """The declared names in the declared order: by keyword and by position give the same."""
    tensors = trial.tensors()
    _, keywords = trial.op.instance(trial.target, trial.call, tensors)
    bound = trial.op.parameters.bind(**{k: copy.copy(v) for k, v in keywords.items()})
    bound.apply_defaults()
    with seeded():
        by_name = outputs_of(trial.op.run(trial.target, trial.call, trial.tensors()))
    again = trial.op.instance(trial.target, trial.call, trial.tensors())[1]
    bound.arguments.update(again)  # what is keyword-only stays so
    with seeded():
        by_place = outputs_of(trial.target(*bound.args, **bound.kwargs))
    for name, output in by_name.items():
        if not same_bits(output, by_place[name]):
            trial.depart(f"{name} differs when arguments are given by position", kind="position")


def compare_modules(trial: Trial) -> None:
    """Two modules built alike, one of each."""
    names = trial.op.parameters.parameters
    constructor = {k: v for k, v in trial.call.arguments.items() if k in names}
    if "dtype" in names:
        constructor["dtype"] = trial.dtype
    ours, torchs = built(trial.target, constructor), built(trial.torch, constructor)
    what = f"{trial.op.name}({constructor})"
    if repr(ours) != repr(torchs):
        trial.depart(f"repr is {ours!r}, torch's {torchs!r}: {what}", kind="repr")
    compare_attributes(trial, ours, torchs, what)
    compare_states(trial, ours, torchs, what)
    if "device" in names:
        meta = constructor | {"device": "meta"}
        compare_described(trial, built(trial.target, meta), built(trial.torch, meta), what)
    compare_copies(trial, ours, what)
    compare_modes(trial, ours, what)
    if not hasattr(torchs, "reset_parameters"):
        return
    seeded_again = [again_initialised(m) for m in (ours, torchs)]
    if not same_state(*seeded_again):
        trial.depart(f"reset_parameters gives other numbers than torch's: {what}", kind="reset")


def compare_copies(trial: Trial, ours: nn.Module, what: str) -> None:
    """Copies are the same, and their own."""
    for name, again in {
        "deepcopy": copy.deepcopy(ours),
        "pickle": pickle.loads(pickle.dumps(ours)),
        "torch.save": saved_and_loaded(ours),
    }.items():
        if repr(again) != repr(ours) or not same_state(again, ours):
            trial.depart(f"{name} gives another module: {what}", kind=name)
        if memory(again) & memory(ours):
            trial.depart(f"{name} shares memory with the original: {what}", kind=name)


def compare_modes(trial: Trial, ours: nn.Module, what: str) -> None:
    """train() and eval() reach every part."""
    for mode in (False, True):
        if ours.train(mode) is not ours or any(m.training is not mode for m in ours.modules()):
            trial.depart(f"train({mode}) is not kept: {what}", kind="train")


def built(make: Callable[..., nn.Module], constructor: dict[str, Any]) -> nn.Module:
    """A module with the initial weights of one seed."""
    with seeded():
        return make(**constructor)


def again_initialised(module: nn.Module) -> nn.Module:
    """The module after reset_parameters, under one seed."""
    with seeded(SEED + 1):
        module.reset_parameters()  # type: ignore[operator]
    return module


def saved_and_loaded(module: nn.Module) -> nn.Module:
    """Through torch.save and torch.load, as checkpoints of whole modules are."""
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def compare_attributes(trial: Trial, ours: nn.Module, torchs: nn.Module, what: str) -> None:
    """Public plain attributes: what model code reads and exporters look at; and older pickles."""
    for name, value in vars(torchs).items():
        if name.startswith("_") or isinstance(value, Tensor | nn.Module):
            continue
        mine = getattr(ours, name, "missing")
        if mine != value or type(mine) is not type(value):
            trial.depart(f"{name} is {mine!r}, torch's {value!r}: {what}", kind="attribute")
        mine, wanted = pickled_without(name, ours), pickled_without(name, torchs)
        if mine != wanted:
            message = f"{name} is {mine!r} from a pickle that lacks it, torch's {wanted!r}: {what}"
            trial.depart(message, kind="old pickle")


def pickled_without(attribute: str, module: nn.Module) -> Any:
    """What an attribute is in a module from a pickle of a time before there was the attribute."""
    again = type(module).__new__(type(module))
    again.__setstate__({name: value for name, value in vars(module).items() if name != attribute})
    return getattr(again, attribute, "missing")


def compare_states(trial: Trial, ours: nn.Module, torchs: nn.Module, what: str) -> None:
    """The same parameters and buffers, bit for bit, and each loads the other's."""
    compare_described(trial, ours, torchs, what)
    if not same_state(ours, torchs):
        trial.depart(f"initial weights differ from torch's under one seed: {what}", kind="init")
    for target, source in ((ours, torchs), (torchs, ours)):
        changed = {k: v + 1 for k, v in source.state_dict().items()}
        target.load_state_dict(changed)
        loaded = target.state_dict()
        if not all(same_bits(loaded[k], v) for k, v in changed.items()):
            trial.depart(f"a loaded state_dict is not kept: {what}", kind="load_state_dict")
    ours.load_state_dict(torchs.state_dict())
    for name, state in incomplete(torchs):
        taken = loads(ours, state), loads(torchs, state)
        if taken[0] != taken[1] or not same_state(ours, torchs):
            trial.depart(
                f"a state without {name} is not taken as torch's: {what}", kind="old state"
            )


def compare_described(trial: Trial, ours: nn.Module, torchs: nn.Module, what: str) -> None:
    """The same entries in the same order, each in its place."""
    mine, wanted = described(ours), described(torchs)
    if list(mine.items()) != list(wanted.items()):
        trial.depart(f"state is {mine}, torch's {wanted}: {what}", kind="state_dict")


def incomplete(module: nn.Module) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """States that lack an entry, as older ones may: with the version of today, and with none."""
    for name in module.state_dict():
        state = module.state_dict()
        del state[name]
        yield name, state
        yield name, dict(state)


def loads(module: nn.Module, state: dict[str, Tensor]) -> bool:
    """Whether a state is taken."""
    try:
        module.load_state_dict(state)
    except RuntimeError:
        return False
    return True


def memory(module: nn.Module) -> set[int]:
    """Where the numbers of its state lie."""
    tensors = (t for t in module.state_dict().values() if t.numel())
    return {t.untyped_storage().data_ptr() for t in tensors}


def described(module: nn.Module) -> dict[str, str]:
    """Every entry of the state: shape, dtype, device, and whether it is trained."""
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    return {
        name: f"{tuple(t.shape)} {t.dtype} {t.device} "
        f"{'parameter' if name in trained else 'buffer'}"
        for name, t in module.state_dict().items()
    }


def same_state(a: nn.Module, b: nn.Module) -> bool:
    """Equal state, bit for bit."""
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(same_bits(t, theirs[k]) for k, t in mine.items())
