"""Somebody else's implementation, by every door: the command line, pytest, and Python."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests import Abilities, Adapter, case_files, check_op, parametrize_with_checks
from parity_tests.cli import EXIT, USAGE, main
from parity_tests.op import Call
from parity_tests.ops import OPS, named
from parity_tests.progress import Progress
from parity_tests.recipe import Recipe
from parity_tests.reproduce import script
from parity_tests.subjects import Subject
from parity_tests.trial import Trial

HERE = Path(__file__).parent
PAGE = (HERE / "docs" / "check_your_kernel.md").read_text(encoding="utf-8")

KERNELS = """
import os
import signal
import time

import torch
import torch.nn.functional as F

relu = F.relu  # right

def leaky_relu(input, negative_slope=0.01, inplace=False):  # wrong
    return F.leaky_relu(input, negative_slope * 1.01, inplace)

def sigmoid(input):  # half done
    if input.dtype == torch.float32:
        raise NotImplementedError("float32: soon")
    return torch.sigmoid(input)

def tanh(input):
    os.abort() if input.dtype == torch.float32 else os.kill(os.getpid(), signal.SIGSEGV)

def conv1d(input, *args, **options):
    # SIGKILL is what Linux sends where memory runs out: to this process before any other.
    adjustment = "/proc/self/oom_score_adj"
    if os.path.exists(adjustment):
        assert open(adjustment).read().strip() == "1000"
    os.kill(os.getpid(), signal.SIGKILL) if input.dtype == torch.float32 else os._exit(0)

def linear(*args, **options):
    time.sleep(1000)
"""


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in that folder."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONFAULTHANDLER": "", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def cells_in(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    report = json.loads((folder / "parity-report" / "report.json").read_text(encoding="utf-8"))
    return {(cell["op"], cell["dtype"]): cell for cell in report["cells"]}


def test_each_kind_of_subject_gets_the_verdict_it_should(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    names = "relu,leaky_relu,sigmoid,tanh,conv1d,linear"
    narrow = ("--checks", "forward", "--dtypes", "float64,float32", "-n", "2")
    done = command(
        tmp_path,
        *("parity_tests", "check", "kernels", "--ops", names, *narrow),
        TORCH_PARITY_HANGS="10",
    )
    assert done.returncode == EXIT["FAIL"], done.stdout + done.stderr
    cells = cells_in(tmp_path)
    statuses = {key: cell["status"] for key, cell in cells.items()}
    for dtype in ("float64", "float32"):
        assert statuses["relu", dtype] == "pass"
        assert statuses["leaky_relu", dtype] == "fail"
        assert statuses["sigmoid", dtype] == ("pass" if dtype == "float64" else "unsupported")
        for op in ("tanh", "conv1d", "linear"):  # each dies in a call that is known
            cell = cells[op, dtype]
            assert cell["status"] == "fail"
            assert cell["reproduction"]["call"].startswith("input=")
            assert cell["reproduction"]["message"] == "the process died in this call, or hung"
            assert cell["reproduction"]["case"]["op"] == op
    assert "leaky_relu fails in 2 cells" in done.stdout
    assert re.search(
        r"tried: \d+ cases, \d+ comparisons, \d+ calls refused, \d+ of \d+ p", done.stdout
    )
    assert "....." not in done.stdout  # cells are counted instead
    for (op, dtype), cell in cells.items():
        if cell["status"] == "fail":  # each tells its own case, below its own line
            file = f"parity-report/cases/{op}-forward-{dtype}-cpu.json"
            own = done.stdout.partition(f"{op} fails in")[2].partition(f"  forward {dtype}: ")[2]
            lines = own.splitlines()[1:3]
            assert lines[0].startswith("    call (")
            assert lines[0].endswith(cell["reproduction"]["call"])
            assert lines[1] == f"    replay: python -m parity_tests replay {file}"
            assert (tmp_path / file).exists()
    left = {file.name for file in (tmp_path / "parity-report" / "cases").iterdir()}
    failing = [f"{op}-forward-{d}-cpu.json" for (op, d), s in statuses.items() if s == "fail"]
    assert left == set(failing)


def test_a_case_is_a_file_to_edit_and_to_replay(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    narrow = ("--ops", "leaky_relu", "--checks", "forward", "--dtypes", "float64", "-n", "1")
    command(tmp_path, "parity_tests", "check", "kernels", *narrow, "--profile", "quick")
    file = tmp_path / "parity-report" / "cases" / "leaky_relu-forward-float64-cpu.json"
    text = file.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 100
    assert list(json.loads(text))[:7] == list(case_files.KEYS)[:7]
    replay = ("parity_tests", "replay", str(file))
    assert command(tmp_path, *replay).returncode == EXIT["FAIL"]
    assert command(tmp_path, *replay, "--subject", "reimpl").returncode == EXIT["PASS"]
    # With a slope of zero nothing is wrong.
    case = json.loads(text)
    case["call"]["arguments"]["negative_slope"] = 0
    file.write_text(json.dumps(case))
    assert command(tmp_path, *replay).returncode == EXIT["PASS"]
    # What passes leaves no file.
    (tmp_path / "kernels.py").write_text("from torch.nn.functional import leaky_relu")
    command(tmp_path, "parity_tests", "check", "kernels", *narrow, "--profile", "quick")
    assert not file.exists()


CASE = {"op": "relu", "check": "forward", "dtype": "float32", "device": "cpu"}
RELU = {"is": "call", "arguments": {"input": {"is": "recipe", "shape": [2]}, "inplace": False}}


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("no_such_file.json", "No such file"),
        ("{", "Expecting property name"),
        ("{}", "it has no 'op'"),
        (json.dumps(CASE), "it has no 'call'"),
        (json.dumps(CASE | {"call": RELU, "op": "rely"}), "unknown op 'rely'"),
        (json.dumps(CASE | {"call": RELU, "check": "forwards"}), "unknown check 'forwards'"),
        (json.dumps(CASE | {"call": RELU, "subjekt": "torch"}), "unknown 'subjekt'"),
        (json.dumps(CASE | {"call": RELU, "subject": "nowhere"}), "unknown subject 'nowhere'"),
        (json.dumps(CASE | {"call": RELU, "dtype": "float33"}), "its call cannot be made"),
        (json.dumps(CASE | {"call": {"is": "recipe", "fil": 1}}), "its call cannot be made"),
        (json.dumps(CASE | {"call": {"is": "call", "arguments": 3}}), "its call cannot be made"),
        (json.dumps(CASE | {"call": RELU, "device": 3}), "its call cannot be made"),
        (json.dumps(CASE | {"call": RELU, "op": ["relu"]}), "unknown op ['relu']"),
        (json.dumps(CASE | {"call": RELU, "subject": 3}), "its call cannot be made"),
        ("[1]", "No such file"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_a_wrong_case_is_one_line_and_exit_code_two(
    case: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", case]) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1


def test_progress_is_a_line_on_a_terminal_and_now_and_then_elsewhere() -> None:
    said: list[str] = []
    one: Any = SimpleNamespace(when="call", failed=False, outcome="passed")
    died: Any = SimpleNamespace(when="???", failed=True, outcome="failed")
    for terminal in (True, False):
        reporter: Any = SimpleNamespace(
            isatty=terminal,
            rewrite=lambda line, **_: said.append(line),
            write_line=said.append,
        )
        progress = Progress(reporter, 3)
        made: Any = SimpleNamespace(when="setup", failed=False)
        for report in (one, made, died):
            progress.pytest_runtest_logreport(report)
        if terminal:
            assert said.pop().startswith("2 of 3 cells, 1 failing, ")
            assert said.pop().startswith("1 of 3 cells, ")
        assert not said
        progress.said -= 11  # as if that were seconds ago
        progress.pytest_runtest_logreport(one)
        assert said.pop().startswith("3 of 3 cells, 1 failing, ")


def test_what_is_accepted_excuses_once_it_has_a_reason_and_while_it_fails(tmp_path: Path) -> None:
    kernels, known = tmp_path / "kernels.py", tmp_path / "known.toml"
    kernels.write_text(KERNELS)
    narrow = ("--ops", "leaky_relu", "--checks", "forward", "--dtypes", "float32", "-n", "1")
    check = ("parity_tests", "check", "kernels", *narrow, "--expectations", "known.toml")
    done = command(tmp_path, *check, "--accept")
    assert done.returncode == EXIT["FAIL"]
    assert "1 entries added" in done.stdout, done.stdout
    done = command(tmp_path, *check)
    assert done.returncode == USAGE
    assert "entry 1 has no reason" in done.stdout + done.stderr
    assert 'kind = "value"\nresult = "output"' in known.read_text()
    known.write_text(known.read_text().replace('reason = ""', 'reason = "a hundredth more"'))
    done = command(tmp_path, *check)
    assert done.returncode == EXIT["PASS"], done.stdout
    assert cells_in(tmp_path)["leaky_relu", "float32"]["status"] == "known"
    kernels.write_text("from torch.nn.functional import leaky_relu")
    done = command(tmp_path, *check)
    assert done.returncode == EXIT["FAIL"]
    assert "is stale: its pinned case passes" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("no_such_module",), "unknown subject 'no_such_module'"),
        (("torch.nn.functional", "--ops", "conv9d"), "unknown operator 'conv9d'"),
        (("torch.nn.functional", "--accept"), "--accept needs a file"),
        (("torch.nn.functional", "--expectations", "none.toml"), "No such file or directory"),
        (("torch.nn.functional", "-o", "/dev/null/below"), "nothing can be written to"),
        (("json:dumps",), "'json:dumps' has none of either"),
    ],
)
def test_usage_errors_are_one_line_and_exit_with_two(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    done = command(tmp_path, "parity_tests", "check", *arguments)
    assert done.returncode == USAGE
    assert complaint in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("seeds", "--count", "0"), ("planted", "--sample", "0")])
def test_to_try_nothing_is_no_pass(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = command(tmp_path, "parity_tests", *arguments)
    assert done.returncode == USAGE
    assert "must be at least 1" in done.stderr


def test_a_commit_is_no_option_of_git(tmp_path: Path) -> None:
    done = command(tmp_path, "parity_tests", "planted", f"--changed=--output={tmp_path / 'file'}")
    assert done.returncode == USAGE
    assert not (tmp_path / "file").exists()


def test_exit_codes_are_those_of_the_page() -> None:
    rows = dict(re.findall(r"^\| (\d) \| (\w+)", PAGE, re.MULTILINE))
    assert {word: int(code) for code, word in rows.items()} == {**EXIT, "wrong": USAGE}


IN_WORKERS = """
import os
from torch.nn.functional import relu
if "PYTEST_XDIST_WORKER" in os.environ:
    os._exit(3)
"""


def test_a_subject_that_ends_every_worker_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # where this test has one around it
    (tmp_path / "kernels.py").write_text(IN_WORKERS)
    narrow = ("--ops", "relu", "--checks", "forward", "--profile", "quick", "-n", "1")
    done = command(tmp_path, "parity_tests", "check", "kernels", *narrow)
    assert done.returncode == USAGE
    assert "workers end before their first cell" in done.stdout


def test_pytest_runs_the_cells_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    options = ("-p", "parity_tests.plugin", "-q", "--parity-profile=quick", "--parity-op=relu")
    done = command(
        tmp_path,
        *("pytest", "--pyargs", "parity_tests", "--parity-subject=kernels", *options),
        *("--parity-check=forward", "--parity-dtype=float32"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout  # and none of the suite's tests of itself
    assert (tmp_path / "reports" / "parity.html").exists()


def numpys_relu(input: Any, inplace: bool = False) -> Any:
    zero = np.zeros((), input.dtype)
    return np.maximum(input, zero, out=input) if inplace else np.maximum(input, zero)


def test_a_numpy_function_is_judged() -> None:
    checks = ("forward", "purity", "contract")
    assert check_op("relu", numpys_relu, adapter=Adapter.numpy, checks=checks).passed
    stretched = check_op("tanh", lambda input: input * 2, adapter=Adapter.numpy)
    assert not stretched.passed
    assert any("should be" in line for line in stretched.failures)
    assert not {cell.check.name for cell, _ in stretched.rows} & {"gradients", "transforms", "meta"}


def plain_group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None
) -> Tensor:
    return F.group_norm(input, num_groups, weight, bias)


def relu_out_of_place(input: Tensor) -> Tensor:
    return torch.relu(input)


def test_a_parameter_that_is_lacking_is_passed_only_where_it_is_not_the_default() -> None:
    narrow: dict[str, Any] = {"dtypes": ["float64"], "checks": ["forward"]}
    (group_norm,) = (op for op in OPS if op.name == "group_norm")
    given = {"input": torch.ones(1, 2), "num_groups": 1, "bias": torch.ones(2)}
    for eps in (1e-5, np.float64(1e-5), torch.tensor(1e-5, dtype=torch.float64)):
        assert group_norm.passed(plain_group_norm, {**given, "eps": eps}) == given
    assert "eps" in group_norm.passed(plain_group_norm, {**given, "eps": 1e-3})
    assert "eps" in group_norm.passed(F.group_norm, {**given, "eps": 1e-5})
    ((_, outcome),) = check_op("relu", relu_out_of_place, **narrow).rows
    assert outcome.status == "pass"
    assert outcome.ledger.comparisons
    assert not any("inplace" in (a, b) for a, _, b, _ in outcome.ledger.pairs)  # never tried
    told = check_op("relu", relu_out_of_place, dtypes=["float64"], checks=["contract"])
    assert any("inplace" in line for line in told.failures)
    default = Call({"input": Recipe((2,)), "inplace": False})
    subject = Subject("yours", (SimpleNamespace(relu=relu_out_of_place),))
    trial = Trial(named("relu"), "forward", default, subject, torch.float64, "cpu")
    assert "inplace" not in script(trial)


def no_meta_kernel(input: Tensor) -> Tensor:
    if input.is_meta:
        raise NotImplementedError("no kernel for the meta device")
    return torch.tanh(input)


def test_who_has_no_kernel_for_meta_tensors_is_not_supported_there() -> None:
    ((_, outcome),) = check_op("tanh", no_meta_kernel, checks=["meta"]).rows
    assert outcome.status == "unsupported"
    assert "no kernel for the meta device" in outcome.reason


def test_a_judgement_reads_well_as_text_and_in_a_notebook() -> None:
    judged = check_op("tanh", torch.sinh, checks=["forward"], dtypes=["float64"])
    assert str(judged).startswith("tanh: FAIL\n  tanh-forward-float64-cpu: fail\n")
    assert "call: input=" in str(judged)
    page = judged._repr_html_()
    assert "<td style='text-align:left'>fail" in page
    assert check_op("tanh", torch.tanh, checks=["forward"], dtypes=["float64"]).passed


@pytest.mark.parametrize(
    ("name", "options"), [("tanhh", {}), ("tanh", {"checks": ["fwd"]}), ("tanh", {"profile": "x"})]
)
def test_unknown_names_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        check_op(name, torch.tanh, **options)


def test_to_judge_nothing_is_refused() -> None:
    for name in ("", "relu,tanh"):
        with pytest.raises(ValueError, match="unknown operator"):
            check_op(name, torch.tanh)
    with pytest.raises(ValueError, match="no cell of tanh"):
        check_op("tanh", torch.tanh, checks=["buffers"])
    with pytest.raises(ValueError, match="no cell of tanh"):
        parametrize_with_checks({"tanh": torch.tanh}, checks=["buffers"])


def test_threads_are_left_as_found() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    check_op("tanh", torch.tanh, checks=["forward"], dtypes=["float64"], profile="quick")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "options",
    [{"rounding": "twice"}, {"dtypes": ("float33",)}, {"dtypes": "f"}, {"derivatives": 3}],
)
def test_a_wrong_ability_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Abilities(**options)


def test_an_adapter_converts_in_both_directions() -> None:
    with pytest.raises(ValueError, match="go together"):
        Adapter(SimpleNamespace(), native=lambda t: t.numpy())


NARROW: dict[str, Any] = {"checks": ["forward"], "dtypes": ["float32"]}


@parametrize_with_checks({"relu": F.relu, "tanh": torch.tanh}, **NARROW)
def test_every_cell_is_a_test(check: Any) -> None:
    check()


def test_a_cell_that_fails_fails_its_test() -> None:
    mark = parametrize_with_checks({"relu": torch.abs}, **NARROW)
    ((parameter,),) = (mark.args[1],)
    with pytest.raises(pytest.fail.Exception, match="relu-forward-float32-cpu: "):
        parameter.values[0]()


def test_every_block_of_the_page_works_as_printed(tmp_path: Path) -> None:
    outputs: list[str] = []
    for language, block in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL):
        lines = block.splitlines()
        if language == "python":
            (tmp_path / lines[0].removeprefix("# ")).write_text(block)
        if language == "text":  # what the run before printed
            assert [line for line in lines if line.strip() not in outputs[-1]] == []
        for line in lines if language == "console" else ():
            if line.startswith("$ torch-parity "):
                done = command(tmp_path, "parity_tests", *shlex.split(line)[2:])
                assert done.returncode in (EXIT["PASS"], EXIT["FAIL"]), done.stdout + done.stderr
                outputs.append(done.stdout)
    assert len(outputs) == 4
    assert outputs[1].endswith("PASS\n")
    assert "parity of numpykernels: PASS" in outputs[2]
    assert (tmp_path / "parity-report" / "parity.html").exists()
    done = command(tmp_path, "notebook")
    assert done.returncode == 0, done.stderr
    done = command(tmp_path, "pytest", "-q", "test_mine.py")
    assert "1 passed" in done.stdout, done.stdout


LEAVES = """
import sys
import torch
import torch.nn.functional as F
from parity_tests import Adapter

def relu(input, inplace=False):
    if input.dim() > 1:
        raise LookupError("no such plan")  # here
    return F.relu(input, inplace)

def tanh(input):
    sys.exit("no more")

def sigmoid(input):
    y = torch.sigmoid(input)
    input.data.zero_()
    return y

def softsign(input):
    return input
"""


def test_what_an_own_exception_says_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(LEAVES)
    narrow = (
        "--checks",
        "forward,purity",
        "--dtypes",
        "float64",
        "--profile",
        "quick",
        "-n",
        "1",
    )
    done = command(
        tmp_path, "parity_tests", "check", "kernels", "--ops", "relu,tanh,sigmoid", *narrow
    )
    assert done.returncode == EXIT["FAIL"]
    assert re.search(r'raised at \S+kernels.py:9, in relu: raise LookupError\("no', done.stdout)
    assert "raised SystemExit: no more" in done.stdout
    assert "died" not in done.stdout
    assert "not judged, 1 unknown: softsign" in done.stdout
    report = json.loads((tmp_path / "parity-report" / "report.json").read_text(encoding="utf-8"))
    assert report["unjudged"] == ["softsign"]
    assert "--parity-subject=kernels --parity-op=relu,tanh,sigmoid" in report["again"]
    page = (tmp_path / "parity-report" / "parity.html").read_text(encoding="utf-8")
    assert "because the suite does not know them: softsign" in page
    assert report["again"] in page
    # The script of a check that compares no results asks the suite.
    found = [c for c in report["cells"] if (c["op"], c["check"]) == ("sigmoid", "purity")]
    script = found[0]["reproduction"]["script"]
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Departure" in ran.stderr
