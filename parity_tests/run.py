"""One run of the suite: what was asked for, its cells, its rows on disk, its report."""

from __future__ import annotations

import faulthandler
import json
import os
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from parity_tests import case_files, expectations, known_file, subjects
from parity_tests.checks import CHECKS
from parity_tests.claims.claim import Claim, Decision, Implementation, decide
from parity_tests.ledger import Ledger
from parity_tests.ops import OPS
from parity_tests.profiles import PROFILES
from parity_tests.report.claims import row as claim_row
from parity_tests.report.collect import Writer, identity, row
from parity_tests.report.covered import covered
from parity_tests.report.evidence import kept
from parity_tests.report.failing import summary, without_result
from parity_tests.report.merge import merge, rows
from parity_tests.report.render import write
from parity_tests.reproduce import case_of
from parity_tests.search import Cell, Plan, examine
from parity_tests.trial import Trial

try:
    import fcntl
except ImportError:  # not on Windows, where two runs into one folder are not told apart
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")
NAMED = 8  # names in a line of the console; the page has all
# Seconds after which a cell is given up; the longest honest one takes a tenth of it.
HANGS = int(os.environ.get("TORCH_PARITY_HANGS", "1200"))


class BadOption(ValueError):
    """An option that makes no sense; the message is one line."""


@dataclass
class Run:
    """Options made sense of. Every worker has its own, with the same cells."""

    plan: Plan  # with the first of the seeds
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    required: tuple[str, ...]  # operators that must not be unsupported
    absent: tuple[str, ...]  # devices this machine has not
    output: Path
    again: str  # the command that runs the same
    session: str
    worker: str
    started: float = field(default_factory=time.time)
    _writer: Writer | None = None
    _lock: int | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, str], worker: str, session: str | None) -> Run:
        """Raises BadOption on anything unknown or absent."""
        torch.set_num_threads(1)
        output = Path(options["output"]).absolute()  # a subject may change the folder it is in
        subject = subject_named(options["subject"])
        asked = chosen("operator", options["op"], {op.name: op for op in OPS})
        checks = chosen("check", options["check"], {check.name: check for check in CHECKS})
        names = {str(d).removeprefix("torch."): d for op in OPS for d in op.dtypes}
        dtypes = chosen("dtype", options["dtype"], names)
        devices, absent = devices_of(options["device"])
        profile = PROFILES.get(options["profile"])
        if profile is None:
            raise BadOption(f"unknown profile {options['profile']!r}; known: {', '.join(PROFILES)}")
        seeds = seeds_of(options["seed"])
        own = known_departures(options["expectations"], subject.name)
        cells = tuple(
            Cell(op, check, dtype, device)
            for op in asked or OPS
            for check in checks or CHECKS
            if check.name != "independence" or subject.name == "reimpl"
            for dtype in check.dtypes(op)
            if dtype is None or not dtypes or dtype in dtypes
            for device in devices
            if not check.devices or device in check.devices
            if subject.abilities.include(Cell(op, check, dtype, device))
        )
        if not cells:
            raise BadOption("no cell matches the operators, checks and dtypes asked for")
        return cls(
            plan=Plan(subject, profile, seeds[0], (*expectations.load(), *own)),
            seeds=seeds,
            cells=cells,
            # Asked for by name; and reimpl promises them all.
            required=tuple(op.name for op in asked or (OPS if subject.name == "reimpl" else ())),
            absent=absent,
            output=output,
            again=command_of(options),
            session=session or f"{time.time_ns():x}",
            worker=worker,
        )

    def take_output(self) -> None:
        """Take the output's folder until this process ends; raises BadOption."""
        self._lock = taken(self.output)

    @property
    def rows(self) -> Path:
        """Where this session's workers write."""
        return self.output / "rows" / self.session

    @property
    def writer(self) -> Writer:
        """This worker's file, made when first needed."""
        if self._writer is None:
            self._writer = Writer(self.rows, self.worker)
        return self._writer

    def declare(self, cells: Iterable[Cell]) -> None:
        """Note what will be run, and what a report says of the run."""
        self.writer.write("declared", cells=[identity(cell) for cell in cells], about=self.about)

    def examine(self, cell: Cell) -> dict[str, Any]:
        """Search a cell under each seed until it fails; put its row on disk, and return it."""
        self.writer.write("start", **identity(cell))
        ledger, seconds = Ledger(), 0.0
        for seed in self.seeds:
            # A hang takes this worker along, as a crash does, and nothing else.
            faulthandler.dump_traceback_later(HANGS, exit=True)
            plan = replace(self.plan, seed=seed, announce=partial(self.announce, seed))
            outcome = examine(cell, plan, ledger)
            faulthandler.cancel_dump_traceback_later()
            seconds += outcome.seconds
            if outcome.status in ("fail", "not run", "unsupported"):
                break
        outcome.seconds = seconds
        found = row(cell, outcome, self.output / case_files.FOLDER)
        self.writer.write("cell", **found)
        return found

    def announce(self, seed: int, trial: Trial) -> None:
        """Put the case on disk before it runs, in case it takes this process along."""
        if trial.subject.name != "reimpl":  # which is Python on torch's primitives
            file = self.rows / f"{self.worker}.case"
            file.write_text(json.dumps({**case_of(trial), "seed": seed}), encoding="utf-8")

    def decide(self, claim: Claim) -> dict[str, Decision]:
        """Decide a claim for each of its subjects, and put its row on disk."""
        decisions = {
            name: decide(claim, Implementation(subjects.load(name)), self.plan.seed)
            for name in claim.subjects
        }
        self.writer.write("claim", **claim_row(claim, decisions))
        return decisions

    def finish(self, *, interrupted: bool, told: bool = True) -> list[str]:
        """Merge all rows into the report; returns the lines to print, none if nothing was run.

        The failing cells are among them, or where the tests have ``told`` theirs, those that took
        their process along.
        """
        if not self.rows.exists():
            return []
        if self._writer is not None:
            self._writer.close()
        seconds = round(time.time() - self.started, 1)
        return merged(self.rows, {**self.about, "seconds": seconds}, interrupted, told)

    @property
    def about(self) -> dict[str, Any]:
        """What a report says of the run as a whole."""
        return {
            "subject": self.plan.subject.name,
            "profile": self.plan.profile.name,
            "seeds": self.seeds,
            "output": str(self.output),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "required": self.required,
            "absent": self.absent,
            "again": self.again,
        }


def taken(folder: Path) -> int:
    """A lock on the folder, an open file that holds it until it is closed; raises BadOption.

    Of two runs into one folder each would report the other's results.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise BadOption(f"another run writes to {folder}: choose another folder") from error
    except OSError as error:
        raise BadOption(f"nothing can be written to {folder}: {error.strerror}") from error
    return lock


class NoRows(BadOption):
    """There is nothing to merge; the message is one line."""


def merge_folder(folder: Path) -> list[str]:
    """The report of a run that was ended before it could write one; returns the lines to print.

    Of several the newest; what is merged is removed, so that the next call takes another. A cell
    without a result counts as not run: whether it was to blame for the end is not known.
    """
    if not folder.is_dir():
        raise NoRows(f"there is no folder {folder}")
    lock = taken(folder)
    try:
        for session in sorted(folder.glob("rows/*/"), key=began, reverse=True):
            declared = next((row for row in rows(session) if row.get("about")), None)
            if declared is not None:
                about = {**declared["about"], "output": str(folder.absolute())}
                about["seconds"] = round(ended(session) - began(session), 1)
                return merged(session, about, interrupted=True, told=False)
    finally:
        os.close(lock)
    raise NoRows(f"nothing to merge in {folder / 'rows'}")


def began(session: Path) -> float:
    """When the first file of a run was written."""
    return min((file.stat().st_mtime for file in session.iterdir()), default=0.0)


def ended(session: Path) -> float:
    """When the last one was."""
    return max((file.stat().st_mtime for file in session.iterdir()), default=0.0)


def merged(folder: Path, about: Mapping[str, Any], interrupted: bool, told: bool) -> list[str]:
    """Merge a run's rows into its report; returns the lines to print.

    The rows are removed when the report is written, and never before.
    """
    report = merge(folder, OPS, {**about, "interrupted": interrupted})
    if not report["declared"]:  # claims were decided by themselves
        return []
    output = Path(about["output"])
    report["evidence"] = kept(output / "evidence", report)
    page = write(report, output)
    shutil.rmtree(folder, ignore_errors=True)
    below = report["failing_below"]
    share = "" if below is None else f"; fewer than {below:.1e} of all cases fail (95 % sure)"
    statuses = ", ".join(f"{n} {status}" for status, n in report["statuses"].items())
    unjudged = report["unjudged"]
    beside = ", ".join(unjudged[:NAMED]) + ("" if len(unjudged) <= NAMED else ", …")
    unknown = f"; not judged, {len(unjudged)} unknown: {beside}" if unjudged else ""
    return [
        *summary(report, crashes_only=told),
        *without_result(report),
        "",
        f"parity of {report['subject']}: {report['headline']}; cells: {statuses}{share}{unknown}",
        f"tried: {covered(report)}; what was not tried is on the page",
        f"report: {page}",
    ]


def command_of(options: Mapping[str, str]) -> str:
    """The command that runs the same cells under the same seeds."""
    names = ("subject", "op", "check", "dtype", "device", "profile", "seed", "expectations")
    given = [f"--parity-{n}={shlex.quote(str(options[n]))}" for n in names if options[n]]
    return " ".join(["python -m parity_tests run --", *given])


def chosen(what: str, text: str, known: Mapping[str, T]) -> tuple[T, ...]:
    """The named ones of ``known``, in the order given."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise BadOption(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return tuple(known[name] for name in names)


def seeds_of(text: str) -> tuple[int, ...]:
    """The run seeds: one, or several with commas between them."""
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in text.split(",")))
    except ValueError as error:
        raise BadOption(f"the seed must be an integer, or several: 0,1,2; got {text!r}") from error
    return seeds


def subject_named(text: str) -> subjects.Subject:
    """The subject, which has an operator at least; raises BadOption."""
    try:
        subject = subjects.load(text)
    except subjects.UnknownSubject as error:
        raise BadOption(str(error)) from error
    if not any(subject.find(op.name) for op in OPS):
        raise BadOption(
            f"the subject must hold functions with torch.nn.functional's names or classes with "
            f"torch.nn's, {text!r} has none of either"
        )
    return subject


def known_departures(path: str, subject: str) -> tuple[expectations.Expectation, ...]:
    """The subject's own expectations file, if one is named."""
    try:
        return known_file.of_subject(Path(path), subject) if path else ()
    except (OSError, ValueError) as error:
        raise BadOption(f"expectations {path!r}: {error}") from error


def devices_of(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(devices to run on, known devices this machine has not)."""
    present = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    absent = tuple(d for d in ("cpu", "cuda") if d not in present)
    if text in ("auto", "all", ""):
        return present, absent
    devices = chosen("device", text, {"cpu": "cpu", "cuda": "cuda"})
    for device in devices:
        if device in absent:
            raise BadOption(f"device {device!r} was asked for, but torch sees none here")
    return devices, absent
