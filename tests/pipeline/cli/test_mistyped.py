"""Every command of the program names the command or option that was meant."""

from __future__ import annotations

import argparse
import importlib

import pytest

from relaytrack.pipeline.cli import bench
from relaytrack.pipeline.cli.main import COMMANDS, main
from relaytrack.reid.cli import COMMANDS as REID_COMMANDS

MODULES = {
    **{(name,): module for name, module in COMMANDS.items() if name not in ("reid", "bench")},
    **{("bench", name): module for name, module in bench.STAGES.items()},
    ("bench",): bench.PIPELINE,
    **{("reid", name): module for name, module in REID_COMMANDS.items()},
}


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a refused command line."""
    try:
        code: object = main(words)
    except SystemExit as end:
        code = end.code
    shown = capsys.readouterr().err
    assert code == 2
    assert len(shown.splitlines()) == 1, shown
    assert shown.startswith("relaytrack: error: ")
    return shown


@pytest.mark.parametrize("group", [(), ("reid",), ("bench",)])
def test_a_mistyped_command(group: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: `relaytrack runn` listed all commands without a word about the nearest one."""
    known = {(): COMMANDS, ("reid",): REID_COMMANDS, ("bench",): bench.STAGES}[group]
    for name in known:
        wrong = name + name[-1]
        shown = refusal([*group, wrong], capsys)
        assert repr(wrong) in shown
        assert f"did you mean {name}?" in shown


@pytest.mark.parametrize("command", MODULES, ids=" ".join)
def test_a_mistyped_option(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: `relaytrack run --sources x` was "unrecognized arguments"."""
    parser = argparse.ArgumentParser()
    importlib.import_module(MODULES[command]).add_arguments(parser)
    options = [name for name in parser._option_string_actions if name.startswith("--") and name != "--help"]
    for name in options:
        wrong = name + name[-1]
        shown = refusal([*command, wrong, "x"], capsys)
        assert f"unknown option {wrong!r}, did you mean {name}?" in shown
        assert f"relaytrack {' '.join(command)} --help" in shown
