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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("forget --run x r3", "ID: must be a whole number, not 'r3'"),
        ("run --fps 1,5 --source x", "--fps: must be a number, not '1,5'"),
        ("bench soak --minutes x", "--minutes: must be a number, not 'x'"),
        ("search --run x --image y --top", "a value is missing (--top N)"),
        ("run --anonymise", "a value is missing (--anonymise heads|persons)"),
        ("run --overwrite=yes", "--overwrite: takes no value, and was given 'yes'"),
        ("search --image y", "are required: --run DIR|URL"),
        ("eval --gt x", "are required: --result [NAME=]RES"),
        ("run --source a b", "'b' was read as one; give --source once for each camera"),
    ],
)
def test_a_wrong_value(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: "invalid int value: 'r3'" says neither what is wanted nor in a user's words."""
    assert said in refusal(words.split(), capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --config a.yaml", "give it without an option (relaytrack run CONFIG.yaml)"),
        ("run -c a.yaml", "give it without an option (relaytrack run CONFIG.yaml)"),
        ("forget --run x --person 3", "give it without an option (relaytrack forget ID)"),
        ("reid train --config a.yaml", "give it without an option (relaytrack reid train CONFIG)"),
        ("run --input a.mp4", "did you mean --source?"),
        ("run --video a.mp4", "did you mean --source?"),
        ("run -i a.mp4", "did you mean --source?"),
        ("run -o out", "did you mean --out?"),
        ("search --run x --picture y", "did you mean --image?"),
        ("run --gpu", "did you mean --device?"),
    ],
)
def test_names_of_other_programs(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: what other programs call an option got no hint, or the nearest spelling (`--video`: `--no-video`)."""
    assert said in refusal(words.split(), capsys)
