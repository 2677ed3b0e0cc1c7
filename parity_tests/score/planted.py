"""``torch-parity planted``: run the corpus, print and store what was caught, and by what."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import reimpl
from parity_tests import planted
from parity_tests.files import put
from parity_tests.planted import BLIND, CONTROLS, EQUIVALENT, FAULTS
from parity_tests.planted.fault import Fault
from parity_tests.profiles import PROFILES
from parity_tests.report.merge import environment, versions
from parity_tests.score.corpus import corpus_hash
from parity_tests.score.hunt import CORPUS
from parity_tests.score.others import METHODS
from parity_tests.score.processes import Task, hunted

SCHEMA = 1
Runs = dict[str, list[dict[str, Any]]]  # by the fault's name, one for each seed


class BadRequest(ValueError):
    """An option that makes no sense; the message is one line."""


def chosen(names: Sequence[str], sample: int | None, since: str | None) -> list[Fault]:
    """The faults of those names; those of what changed and so many others; or all."""
    known = {fault.name: fault for fault in FAULTS}
    for name in names:
        if name not in known:
            raise BadRequest(f"unknown fault {name!r}; known: {', '.join(known)}")
    if names:
        return [known[name] for name in names]
    if sample is None and since is None:
        return list(FAULTS)
    touched = set() if since is None else operators_changed(since)
    rest = [fault for fault in FAULTS if fault.op not in touched]
    # Others every day; who wants the same again has the names, which are printed.
    drawn = random.Random(date.today().toordinal()).sample(rest, min(sample or 0, len(rest)))
    return [fault for fault in FAULTS if fault.op in touched or fault in drawn]


def operators_changed(since: str) -> set[str]:
    """The operators whose own file in reimpl differs from a commit's."""
    root = Path(reimpl.__file__).parent.parent
    # A commit's name never begins with a dash; git would take such a name for an option.
    options = ["diff", "--name-only", "--end-of-options", since, "--", "reimpl"]
    diff = ["git", "-C", str(root), *options]
    found = subprocess.run(diff, capture_output=True, text=True, check=False)
    if found.returncode:
        raise BadRequest(f"no changes since {since!r}: {found.stderr.strip()}")
    files = {str(root / line) for line in found.stdout.splitlines()}
    return {name for name in reimpl.__all__ if inspect.getfile(getattr(reimpl, name)) in files}


def run(subjects: Sequence[Fault], profile: str, seeds: Sequence[int], workers: int) -> Runs:
    """Hunt them all; interrupted, return what there is."""
    tasks = [Task(CORPUS, fault.name, profile, seed) for seed in seeds for fault in subjects]
    runs: Runs = {fault.name: [] for fault in subjects}
    try:
        for number, (task, found) in enumerate(hunted(tasks, workers), start=1):
            runs[task.name].append(found)
            say(f"{number:4}/{len(tasks)}  seed {task.seed}  {task.name}: {outcome(found)}")
    except KeyboardInterrupt:
        say("interrupted")
    for each in runs.values():
        each.sort(key=lambda found: found["seed"])
    return runs


def run_others(subjects: Sequence[Fault], workers: int) -> dict[str, dict[str, Any]]:
    """What the other methods say of each fault, by its name."""
    # Imported here for all, as the processes fork from this one; it takes seconds.
    importlib.import_module("torch.testing._internal.common_methods_invocations")
    importlib.import_module("torch.testing._internal.common_modules")
    tasks = [Task(CORPUS, f.name, "", 0, method) for f in subjects for method in METHODS]
    answers: dict[str, dict[str, Any]] = {fault.name: {} for fault in subjects}
    try:
        for number, (task, found) in enumerate(hunted(tasks, workers), start=1):
            answers[task.name][task.method] = found["killed"]
            said = {True: "caught", False: "not caught", None: "nothing to ask"}[found["killed"]]
            told = found.get("error", said)
            say(f"{number:4}/{len(tasks)}  {task.method}  {task.name}: {told}")
    except KeyboardInterrupt:
        say("interrupted")
    return answers


def outcome(found: Mapping[str, Any]) -> str:
    """One hunt in words."""
    cost = f"after {found['cases']} cases and {found['seconds']} s"
    if "error" in found:
        return f"not judged: {found['error']}"
    if not found["killed"]:
        return f"not caught {cost}"
    other = "" if found["expected"] else ", which was not expected to"
    return f"caught by {found['check']}{other}, in {found['regime']} calls, {cost}"


def report(
    faults: Sequence[Fault], runs: Runs, others: Mapping[str, Any], **about: Any
) -> dict[str, Any]:
    """What is stored."""
    killed = [r["seconds"] for fault in faults for r in runs[fault.name] if r["killed"]]
    return {
        "schema": SCHEMA,
        **about,
        "hash": corpus_hash(Path(planted.__file__).parent),
        "faults": [described(fault, runs, others) for fault in faults],
        "controls": [described(fault, runs, {}) for fault in CONTROLS if fault.name in runs],
        "equivalent": [{"name": fault.name, "why": why} for fault, why in EQUIVALENT],
        "median_seconds": statistics.median(killed) if killed else None,
        "versions": versions(),
        "environment": environment(),
    }


def described(fault: Fault, runs: Runs, others: Mapping[str, Any]) -> dict[str, Any]:
    """One fault, and what became of it."""
    nothing = {"opinfo": None, "gradcheck": None, "fixed": None}
    return {
        "name": fault.name,
        "op": fault.op,
        "kind": fault.kind,
        "source": fault.source,
        "says": fault.says,
        "expected": list(fault.expected),
        "blind": fault in BLIND,
        "runs": runs[fault.name],
        "others": {**nothing, **others.get(fault.name, {})},
    }


def verdict(found: Mapping[str, Any]) -> str:
    """PASS where every fault was caught and no control was; INCOMPLETE where some are unjudged."""
    faults, controls = ([row["runs"] for row in found[what]] for what in ("faults", "controls"))
    judged = [[run for run in runs if "error" not in run] for runs in (*faults, *controls)]
    survived = any(not run["killed"] for runs in judged[: len(faults)] for run in runs)
    if survived or any(run["killed"] for runs in judged[len(faults) :] for run in runs):
        return "FAIL"
    complete = all(len(runs) == len(found["seeds"]) for runs in judged)
    return "PASS" if complete else "INCOMPLETE"


def summary(found: Mapping[str, Any]) -> Iterable[str]:
    """The score, and who got away."""
    faults = found["faults"]
    always = [f for f in faults if f["runs"] and all(run["killed"] for run in f["runs"])]
    by_expected = sum(all(run["expected"] for run in f["runs"]) for f in always)
    yield (
        f"{verdict(found)}: {len(always)} of {len(faults)} faults caught under every seed of "
        f"{found['seeds']}, {by_expected} of them by a check that ought to; median time "
        f"{found['median_seconds']} s, {found['seconds']} s in all"
    )
    for what in ("faults", "controls"):
        for fault in found[what]:
            for r in fault["runs"]:
                if "error" in r or r["killed"] != (what == "faults"):
                    yield f"  seed {r['seed']}  {fault['name']} ({fault['op']}): {outcome(r)}"
    for method in ("opinfo", "gradcheck", "fixed"):
        answers = [f["others"][method] for f in faults if f["others"][method] is not None]
        if answers:
            yield f"{method}: {sum(answers)} of the {len(answers)} faults it can be asked about"


def planted_faults(options: argparse.Namespace) -> str:
    """The command: run, store, print; the verdict."""
    start = time.time()
    seeds, workers = numbers(options.seeds), workers_of(options.workers)
    if options.profile not in PROFILES:
        raise BadRequest(f"unknown profile {options.profile!r}; known: {', '.join(PROFILES)}")
    faults = chosen(options.names, options.sample, options.changed)
    if not faults:
        raise BadRequest("no fault is asked for: nothing would be tried")
    controls = () if options.names else CONTROLS
    runs = run((*faults, *controls), options.profile, seeds, workers)
    others = run_others(faults, workers) if options.others else {}
    seconds = round(time.time() - start, 1)
    found = report(faults, runs, others, profile=options.profile, seeds=seeds, seconds=seconds)
    put(options.output, json.dumps(found, indent=1) + "\n")
    for line in summary(found):
        say(line)
    say(f"stored in {options.output}")
    return verdict(found)


def numbers(text: str) -> list[int]:
    """Seeds, separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise BadRequest(f"seeds must be integers separated by commas, got {text!r}") from error


def workers_of(text: str) -> int:
    """So many, or one for each core."""
    if text == "auto":
        return os.cpu_count() or 1
    if text.isdecimal() and int(text):
        return int(text)
    raise BadRequest(f"workers must be a positive integer or 'auto', got {text!r}")


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
