"""The command line: judge an implementation, run the suite, replay a case, compare two runs.

Exit codes: 0 pass, 1 fail, 2 usage, 3 incomplete.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from parity_tests.files import put

EXIT = {"PASS": 0, "FAIL": 1, "INCOMPLETE": 3}
USAGE = 2
PYTEST_USAGE = 4  # pytest has printed why
DEVICES_ASKED = ("--parity-device=cuda", "--parity-device=all", "--parity-device=cpu,cuda")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and dispatch."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts any threads
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of ASCII has no arrows
            stream.reconfigure(errors="backslashreplace")
    chosen = parser().parse_args(arguments)
    match chosen.command:
        case "check":
            return check_subject(chosen)
        case "planted":
            return run_planted(chosen)
        case "seeds":
            own = range(chosen.first, chosen.first + chosen.count)
            return run_seeds(chosen.workers, own, chosen.options)
        case "run":
            return run_suite(chosen.workers, chosen.options)
        case _:
            return show(chosen)


def show(chosen: argparse.Namespace) -> int:
    """The commands that run no search."""
    match chosen.command:
        case "list":
            return list_names()
        case "replay":
            return replay_case(chosen.case, chosen.subject)
        case "faults":
            return tell_faults(chosen.report, chosen.output)
        case "evidence":
            return keep_evidence(chosen.report, chosen.output)
        case "merge":
            return merge_rows(chosen.folder)
        case "compare":
            return compare_runs(chosen.before, chosen.after, chosen.output)
        case _:
            return list_operators()


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(prog="torch-parity", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    add_check(commands.add_parser("check", help="judge an implementation: pkg.module[:attribute]"))
    commands.add_parser("list", help="the operators by name")
    run = commands.add_parser("run", help="run the suite, leave report.json and parity.html")
    seeds = commands.add_parser("seeds", help="run under several seeds, count the false alarms")
    seeds.add_argument("--count", type=positive, default=10, help="how many seeds; default: 10")
    seeds.add_argument("--first", type=int, default=0, help="the first of them; default: 0")
    for runs in (run, seeds):
        add_workers(runs)
        runs.add_argument("options", nargs="*", help="pytest's and --parity-… options, after --")
    replay = commands.add_parser("replay", help="run one case again")
    replay.add_argument("case", help="a file that a failing cell left in cases/, or its JSON")
    replay.add_argument("--subject", help="whom to run it with; default: the case's own")
    faults = commands.add_parser("faults", help="torch's faults that a run met, as Markdown")
    faults.add_argument("report", type=Path, help="the run's report.json")
    faults.add_argument("-o", "--output", type=Path, default=Path("reports/faults"), help="folder")
    evidence = commands.add_parser("evidence", help="keep what a run found on a GPU, small")
    evidence.add_argument("report", type=Path, help="the run's report.json")
    folder = Path("reports/evidence")
    evidence.add_argument("-o", "--output", type=Path, default=folder, help="folder")
    merge = commands.add_parser("merge", help="the report of a run that was killed")
    merge.add_argument("folder", type=Path, help="the run's output folder")
    two = commands.add_parser(
        "compare", help="two runs side by side: exit 1 if any cell newly fails or is lost"
    )
    two.add_argument("before", type=Path, help="a run's report.json")
    two.add_argument("after", type=Path, help="another's")
    two.add_argument("-o", "--output", type=Path, help="a page to write as well, e.g. compare.html")
    add_planted(commands.add_parser("planted", help="run the planted faults, count the caught"))
    commands.add_parser("operators", help="the table of operators, in Markdown")
    return whole


def positive(text: str) -> int:
    """A number of things to do: with none of them a run would pass and say nothing."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def add_workers(command: argparse.ArgumentParser) -> None:
    """How many processes."""
    command.add_argument("-n", "--workers", default="auto", help="processes; default: one per core")


def add_check(check: argparse.ArgumentParser) -> None:
    """The options of check."""
    check.add_argument("subject", help="what has torch.nn.functional's names, or torch.nn's")
    check.add_argument("--ops", default="", help="e.g. conv2d,BatchNorm2d; default: all it has")
    check.add_argument("--checks", default="", help="e.g. forward,gradients; default: all")
    check.add_argument("--dtypes", default="", help="e.g. float32,bfloat16; default: all")
    check.add_argument("--device", default="auto", help="cpu, cuda; default: those present")
    check.add_argument("--profile", default="default", help="quick, default or deep")
    check.add_argument("--seed", "--seeds", default="0", help="run seeds, e.g. 0,1,2; default: 0")
    check.add_argument("-o", "--output", default="parity-report", help="folder for the report")
    add_workers(check)
    check.add_argument("--expectations", default="", help="file of its known departures")
    check.add_argument(
        "--accept", action="store_true", help="add what fails to that file, for you to say why"
    )


def add_planted(planted: argparse.ArgumentParser) -> None:
    """The options of planted."""
    planted.add_argument("names", nargs="*", help="faults; default: all")
    planted.add_argument("--seeds", default="0", help="run seeds, e.g. 0,1,2; default: 0")
    planted.add_argument("--profile", default="default", help="quick, default or deep")
    planted.add_argument("--sample", type=positive, help="so many drawn at random, others each day")
    planted.add_argument("--changed", metavar="COMMIT", help="those of files changed since")
    planted.add_argument("--others", action="store_true", help="ask other methods of testing too")
    add_workers(planted)
    planted.add_argument("-o", "--output", type=Path, default=Path("reports/planted.json"))


def check_subject(chosen: argparse.Namespace) -> int:
    """Judge one implementation, in processes of their own: what crashes costs one cell."""
    if chosen.accept and not chosen.expectations:
        sys.stderr.write("--accept needs a file: --expectations FILE\n")
        return USAGE
    file, new = Path(chosen.expectations).absolute(), chosen.accept
    asked = {
        "subject": chosen.subject,
        "op": chosen.ops,
        "check": chosen.checks,
        "dtype": chosen.dtypes,
        "device": chosen.device,
        "profile": chosen.profile,
        "seed": chosen.seed,
        "output": chosen.output,
        # Only where failures are to be accepted may there be no such file yet.
        "expectations": file if chosen.expectations and (file.exists() or not new) else "",
    }
    options = [f"--parity-{name}={value}" for name, value in asked.items()]
    # Whatever pytest is told to do in this folder is meant for other tests.
    options += ["-c", os.devnull, "--rootdir", os.getcwd(), "-p", "no:cacheprovider"]
    status = run_suite(
        chosen.workers, [*options, "--tb=no", "-rN", "--parity-progress"], claims=False
    )
    if chosen.accept and status in (EXIT["FAIL"], EXIT["INCOMPLETE"]):
        from parity_tests.accept import accept

        report = json.loads((Path(chosen.output) / "report.json").read_text(encoding="utf-8"))
        count = accept(report, file)
        sys.stdout.write(f"{count} entries added to {file}: fill in their reasons\n")
    return status


def run_suite(workers: str, options: Sequence[str], *, claims: bool = True) -> int:
    """Pytest on the parity cells and the claims; the exit code is the report's verdict.

    The claims are not decided where only some of the cells are asked for.
    """
    here = Path(__file__).parent
    some = any(o.startswith(("--parity-op", "--parity-check", "--parity-dtype")) for o in options)
    tests = ["test_parity.py", *(["test_claims.py"] if claims and not some else [])]
    # Where there is a GPU its tests are one group, which only loadgroup keeps together.
    dist = "loadgroup" if any(o.startswith(DEVICES_ASKED) for o in options) else "worksteal"
    own = ["-p", "parity_tests.plugin", "-n", workers, "--dist", dist, "-q"]
    own += ["--max-worker-restart", "1000000"]  # a crash costs one cell, however many there are
    files = [str(here / test) for test in tests]
    report = output_of(options)[0] / "report.json"
    before = written(report)
    # A process of its own: this one has imported what pytest wants to rewrite.
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *files, *own, *options],
        # What Hypothesis keeps is kept beside the report, not in the user's folder.
        env={"HYPOTHESIS_STORAGE_DIRECTORY": str(report.parent / ".hypothesis"), **os.environ},
    )
    # Terminated or interrupted, pytest still merges its rows into a report.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child as well
    status = process.wait()
    if written(report) != before:
        verdict = EXIT[json.loads(report.read_text(encoding="utf-8"))["verdict"]]
        return verdict if verdict or not status else EXIT["FAIL"]  # pytest failed: never green
    if status == PYTEST_USAGE:
        return USAGE
    folder = report.parent
    if any(folder.glob("rows/*/*.jsonl")):
        command = f"python -m parity_tests merge {shlex.quote(str(folder))}"
        sys.stderr.write(f"no report: the run was ended. What it found is kept: {command}\n")
        return EXIT["INCOMPLETE"]
    sys.stderr.write("no report: nothing was run\n")
    return USAGE


def merge_rows(folder: Path) -> int:
    """Write the report of a run that was ended before it could."""
    from parity_tests.run import BadOption, merge_folder

    try:
        lines = merge_folder(folder)
    except BadOption as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT[json.loads((folder / "report.json").read_text(encoding="utf-8"))["verdict"]]


def run_seeds(workers: str, seeds: Sequence[int], options: Sequence[str]) -> int:
    """The cells under each seed; what they amount to is kept after every one of them."""
    from parity_tests.report.seeds import EVIDENCE, summary

    output, rest = output_of(options)
    evidence = output / EVIDENCE
    reports, worst = [], 0
    for seed in seeds:
        folder = output / "seeds" / str(seed)
        own = [f"--parity-seed={seed}", f"--parity-output={folder}"]
        worst = max(worst, run_suite(workers, [*rest, *own], claims=False))
        if worst == USAGE:
            return USAGE
        reports.append(json.loads((folder / "report.json").read_text(encoding="utf-8")))
        found = summary(reports)
        put(evidence, json.dumps(found, indent=1) + "\n")
        sys.stdout.write(f"{found['says']}\n")
    return worst


def output_of(options: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder for the report, and the other options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--parity-output", default="reports", type=Path)
    known, rest = parser.parse_known_args(options)
    return known.parity_output, rest


def written(file: Path) -> int:
    """When, in nanoseconds; 0 if it is not there."""
    return file.stat().st_mtime_ns if file.exists() else 0


def run_planted(chosen: argparse.Namespace) -> int:
    """Hunt the planted faults."""
    from parity_tests.score.planted import BadRequest, planted_faults

    try:
        return EXIT[planted_faults(chosen)]
    except BadRequest as error:
        sys.stderr.write(f"{error}\n")
        return USAGE


def tell_faults(report: Path, folder: Path) -> int:
    """Write each fault down, and show that its script shows it."""
    from parity_tests.report.compare import NoReport, load
    from parity_tests.report.faults import write

    try:
        found = load(report)
    except NoReport as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    for line in write(found, folder):
        sys.stdout.write(f"{line}\n")
    return EXIT["PASS"]


def keep_evidence(report: Path, folder: Path) -> int:
    """Keep the cells of a run's devices, without what is large."""
    from parity_tests.report.compare import load
    from parity_tests.report.evidence import NothingToKeep, keep

    try:
        files = keep(load(report), folder)
    except (OSError, ValueError, LookupError, NothingToKeep) as error:
        sys.stderr.write(f"no evidence: {error}\n")
        return USAGE
    for file in files:
        sys.stdout.write(f"{file}\n")
    return EXIT["PASS"]


def compare_runs(before: Path, after: Path, page: Path | None) -> int:
    """Print what changed between two runs, and write a page where one is asked for."""
    from parity_tests.report.compare import NoReport, compare, load, text
    from parity_tests.report.render import render_comparison

    try:
        found = compare(load(before), load(after))
    except NoReport as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    sys.stdout.write(text(found))
    if page is not None:
        put(page, render_comparison(found, str(before), str(after)))
        sys.stdout.write(f"page: {page}\n")
    return EXIT["FAIL" if found.worse else "PASS"]


def list_names() -> int:
    """Print the operators' names, one to a line."""
    from parity_tests.ops import OPS

    sys.stdout.write("".join(f"{op.name}\n" for op in OPS))
    return 0


def list_operators() -> int:
    """Print what is declared: signature, dtypes, checks."""
    from parity_tests.report.operators import table

    sys.stdout.write(table())
    return 0


def replay_case(given: str, subject: str | None) -> int:
    """Say what is wrong with the case, or that nothing is."""
    import torch

    from parity_tests.case_files import BadCase, read
    from parity_tests.reproduce import replay
    from parity_tests.trial import Departure, InvalidCall, Unsupported

    torch.set_num_threads(1)
    try:
        trial = read(given, subject)
        what = f"{trial.op.name} {trial.check} {trial.dtype} on {trial.device}"
        sys.stdout.write(f"{what}, {trial.subject.name}\n{trial.call}\n")
        replay(trial)
    except (BadCase, InvalidCall) as error:
        sys.stderr.write(f"not a case: {error}\n")
        return USAGE
    except (Departure, Unsupported) as error:
        sys.stdout.write(f"FAIL: {error}\n")
        return EXIT["FAIL"]
    except Exception as error:  # an edited call that makes no sense to the suite itself
        sys.stderr.write(f"not a case: {type(error).__name__}: {error}\n")
        return USAGE
    for fault in trial.ledger.faults:
        sys.stdout.write(f"torch fault: {fault.message}\n")
    sys.stdout.write("PASS\n")
    return EXIT["PASS"]
