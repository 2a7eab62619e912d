"""A mistake on the command line is one line, with the command or option that was meant."""

from __future__ import annotations

import argparse

import pytest

from relaytrack.reid.arguments import Parser, did_you_mean


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """A parser of two commands."""
    parser = Parser(prog="tool")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--source", required=True)
    run.add_argument("--rate", type=float)
    run.add_argument("--blur", choices=("heads", "persons"))
    commands.add_parser("track").add_argument("file")
    return parser


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["runn"], "unknown command 'runn', did you mean run?"),
        (["zzz"], "unknown command 'zzz' (one of run, track)"),
        (["run", "--sources", "x"], "unknown option '--sources', did you mean --source?"),
        (["run", "--sources=x"], "unknown option '--sources', did you mean --source?"),
        (["run", "--source", "x", "--blr", "heads"], "unknown option '--blr', did you mean --blur?"),
        (["run", "--source", "x", "--blur", "head"], "unknown value 'head', did you mean heads?"),
        (["run", "--source", "x", "y"], "unexpected 'y'"),
        (["run", "--source", "x", "--rate", "fast"], "must be a number, not 'fast'"),
        (["run"], "required: --source"),
        (["track"], "required: file"),
    ],
)
def test_one_line_says_what_was_meant(
    parser: argparse.ArgumentParser, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    shown = capsys.readouterr().err
    assert caught.value.code == 2
    assert len(shown.splitlines()) == 1
    assert shown.startswith("relaytrack: error: ")
    assert says in shown
    assert "--help" in shown


def test_good_words_and_short_forms_pass(parser: argparse.ArgumentParser) -> None:
    args = parser.parse_args(["run", "--sour", "rtsp://u:p@h", "--rate", "-1"])
    assert (args.source, args.rate) == ("rtsp://u:p@h", -1.0)
    assert parser.parse_args(["track", "--", "--file"]).file == "--file"


@pytest.mark.parametrize("option", ["--rate", "--blur", "--sources", "--source=x --rate"])
def test_no_word_that_may_hold_a_password_is_repeated(
    parser: argparse.ArgumentParser, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([*option.split(), "rtsp://u:S3CRET 'x\"@h"], [f"{option.split()[-1]}=u:S3CRET\\n@h"]):
        with pytest.raises(SystemExit):
            parser.parse_args(["run", *words, "u:S3CRET@h"])
        assert "S3C" not in capsys.readouterr().err


def test_nothing_is_suggested_for_what_resembles_nothing() -> None:
    assert did_you_mean("--xyz", ["--source"]) == ""


def test_an_optional_word_may_stand_behind_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: "unexpected 'anna'" of `relaytrack user add --dir site anna`."""
    parser = Parser(prog="user")
    parser.add_argument("action", choices=("add", "list"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("tracks", nargs="*", type=int)
    parser.add_argument("--dir")
    assert vars(parser.parse_args(["add", "--dir", "site", "anna", "1", "2"])) == {
        "action": "add",
        "name": "anna",
        "tracks": [1, 2],
        "dir": "site",
    }
    assert parser.parse_args(["add", "anna", "--dir", "site"]).name == "anna"
    assert parser.parse_args(["add", "--dir", "site"]).name is None
    with pytest.raises(SystemExit):
        parser.parse_args(["add", "--dir", "site", "anna", "x"])
    assert "must be a whole number, not 'x'" in capsys.readouterr().err
