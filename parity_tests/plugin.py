"""The pytest plugin: options, the cells of a run, and the report at its end.

Torch is imported only when parity cells are collected: the plugin is loaded by every pytest run in
an environment that has the package.
"""

from __future__ import annotations

import gc
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity_tests.run import Run

DEFAULTS = {
    "subject": ("reimpl", "what is judged: module[:attribute], or torch itself"),
    "device": ("auto", "cpu, cuda or both; all, auto: those present"),
    "dtype": ("", "e.g. float32,bfloat16; default: all"),
    "op": ("", "operators, e.g. conv2d,BatchNorm2d; default: all"),
    "check": ("", "checks, e.g. forward,gradients; default: all"),
    "seed": ("0", "the run seed, or several: 0,1,2; a cell fails if it fails under any"),
    "profile": ("default", "how many cases: quick, default or deep"),
    "output": ("reports", "the folder for the report"),
    "expectations": ("", "a file of the subject's known departures, each with its reason"),
}

RUN = pytest.StashKey["Run"]()
FUTILE = pytest.StashKey[int]()  # how many workers have ended before their first cell
FUTILE_WORKERS = 3  # so many are enough to know


def pytest_addoption(parser: pytest.Parser) -> None:
    """All options begin with --parity-; lists are separated by commas."""
    group = parser.getgroup("parity", "parity with torch.nn")
    for name, (default, text) in DEFAULTS.items():
        group.addoption(f"--parity-{name}", default=default, help=f"{text} (default: {default!r})")
    group.addoption("--parity-progress", action="store_true", help="count cells, print no dots")


@pytest.hookimpl(trylast=True)  # after the reporter of the terminal is there
def pytest_configure(config: pytest.Config) -> None:
    """Options that were given must make sense before anything starts."""
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): tests that one worker runs")
    if any(config.getoption(f"parity_{n}") != default for n, (default, _) in DEFAULTS.items()):
        run_of(config)
    if hasattr(config, "workerinput"):
        first_to_go()
    elif config.option.parity_progress:
        show_progress(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Who names a subject wants it judged: the suite's tests of itself say nothing about it."""
    own = collection_path.parent == Path(__file__).parent
    named = config.getoption("parity_subject") != DEFAULTS["subject"][0]
    if named and own and collection_path.name.startswith("test_"):
        return collection_path.name != "test_parity.py" or None
    return None


def first_to_go() -> None:
    """Where memory runs out Linux ends this worker, and not whoever waits for it."""
    with suppress(OSError):  # elsewhere
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def run_of(config: pytest.Config) -> Run:
    """The session's run, made when first asked for; wrong options end the session in one line."""
    if RUN not in config.stash:
        from parity_tests.run import BadOption, Run

        options = {name: config.getoption(f"parity_{name}") for name in DEFAULTS}
        # Under xdist every worker is told the controller's session, and has a name of its own.
        worker = getattr(config, "workerinput", {"parity_session": None, "workerid": "main"})
        try:
            run = Run.from_options(options, worker["workerid"], worker["parity_session"])
            if not hasattr(config, "workerinput") and not config.option.collectonly:
                run.take_output()
        except BadOption as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[RUN] = run
    return config.stash[RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of xdist writes its rows where the controller will look for them."""
    node.workerinput["parity_session"] = run_of(node.config).session
    end_in_order()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """End the run where workers end before their first cell, which new ones would do as well.

    A subject's import may fail in a worker, or end its process.
    """
    rows = run_of(node.config).rows / f"{node.workerinput['workerid']}.jsonl"
    began = rows.exists() and '"kind": "start"' in rows.read_text(encoding="utf-8")
    if not error or began:
        return
    node.config.stash[FUTILE] = node.config.stash.get(FUTILE, 0) + 1
    if node.config.stash[FUTILE] >= FUTILE_WORKERS:
        why = "workers end before their first cell: does importing the subject fail in them?"
        pytest.exit(why, returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per cell."""
    if "parity_cell" in metafunc.fixturenames:
        cells = run_of(metafunc.config).cells
        # One process has the GPU to itself: its memory and clock are nobody else's.
        one_group = {"cuda": [pytest.mark.xdist_group("cuda")]}
        parameters = [
            pytest.param(cell, id=cell.id, marks=one_group.get(cell.device, ())) for cell in cells
        ]
        metafunc.parametrize("parity_cell", parameters)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What will be run is written down first, so that what is missing at the end shows."""
    parameters = (getattr(getattr(item, "callspec", None), "params", {}) for item in items)
    cells = [found["parity_cell"] for found in parameters if "parity_cell" in found]
    if not cells:
        return
    # What is loaded by now stays: the garbage collector need not look through it ever again.
    gc.freeze()
    gc.set_threshold(20_000)  # Hypothesis times every collection: of many small ones it takes note
    if not config.option.collectonly:
        run_of(config).declare(cells)
        end_in_order()


def show_progress(config: pytest.Config) -> None:
    """A counter of cells in place of pytest's dots."""
    from parity_tests.progress import Progress

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        config.pluginmanager.register(Progress(reporter, len(run_of(config).cells)))


def end_in_order() -> None:
    """Terminated, as when interrupted, the rows are still merged into a report."""

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture
def parity_run(request: pytest.FixtureRequest) -> Run:
    """The session's run."""
    return run_of(request.config)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Merge the workers' rows, write the report, say where it is."""
    if RUN not in config.stash or hasattr(config, "workerinput"):
        return
    interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    told = config.option.tbstyle != "no"
    for line in run_of(config).finish(interrupted=interrupted, told=told):
        terminalreporter.write_line(line)
