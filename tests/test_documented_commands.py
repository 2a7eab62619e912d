"""Commands, options, keys, make targets and addresses that the pages, help texts and docstrings name exist."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import re
import shlex
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.routing import Match

from relaytrack.pipeline.cli import bench
from relaytrack.pipeline.cli.main import build_parser
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.config.tracking import TrackerSettings
from relaytrack.pipeline.server.app import create_app
from relaytrack.reid.arguments import Parser
from relaytrack.reid.cli import build_parser as build_reid_parser
from relaytrack.reid.training.config import TrainConfig
from relaytrack.trackers import IdentityParams

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("reid/weights/*.md")])
OLD = {"CHANGELOG.md", "renamed.py"}  # tell of names that are gone
_CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s/(])(?<!from )(?<!import )relaytrack +([a-z][^|;&`#\n]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_KEY = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)+)(?:=.*)?")
_FILES = {"json", "jsonl", "yaml", "py", "npz", "txt", "db", "sh", "md", "mp4", "log", "sqlite"}
_FORWARDED = {"reid", "bench"}
OTHERS = {
    "--generate", "--strict", "--no-install", "--prefix", "--require-hashes", "--rm", "--user", "--now",  # npm, docker
    "--head", "--address", "--resources", "--include-dashboard", "--disable-usage-stats", "--num-cpus",  # ray
    "--node-manager-port", "--object-manager-port", "--min-worker-port", "--max-worker-port", "--port",
    "--nnodes", "--nproc-per-node", "--node-rank", "--master-addr", "--extra-index-url", "--no-save",  # torchrun, pip
}  # fmt: skip
"""Options of other programs."""


@cache
def parsers() -> dict[tuple[str, ...], argparse.ArgumentParser]:
    """The parser of every command, by its words."""
    found: dict[tuple[str, ...], argparse.ArgumentParser] = {("bench",): Parser()}
    importlib.import_module(bench.PIPELINE).add_arguments(found["bench",])
    for stage, module in bench.STAGES.items():
        found["bench", stage] = Parser()
        importlib.import_module(module).add_arguments(found["bench", stage])

    def collect(words: tuple[str, ...], parser: argparse.ArgumentParser) -> None:
        found[words] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, inner in action.choices.items():
                    if words or name not in _FORWARDED:
                        collect((*words, name), inner)

    collect((), build_parser())
    collect(("reid",), build_reid_parser())
    return found


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings} | {"--help", "-h"}


def wrong_in_command(text: str) -> list[str]:
    """What of a command line, without the word relaytrack, does not exist."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        words = text.split()
    words = [word.rstrip(".,:)") for word in words if word not in ("...", "\\")]
    if not words or not words[0].isascii() or not re.fullmatch(r"[a-z]+", words[0]):
        return []
    at = 2 if tuple(words[:2]) in parsers() else 1
    if tuple(words[:at]) not in parsers():
        return [f"command {words[0]}"]
    parser = parsers()[tuple(words[:at])]
    if words[0] == "reid" and at == 1 and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        return [f"command reid {words[1]}"]
    known, wrong = options(parser), []
    for place, word in enumerate(words[at:], at):
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            wrong.append(f"{' '.join(words[:at])} {name}")
        if word == "--set" and place + 1 < len(words):
            key = words[place + 1].partition("=")[0]
            model = TrainConfig if words[:2] == ["reid", "train"] else Config
            if re.fullmatch(r"[a-z0-9_.]+", key) and not has_key(model, key):
                wrong.append(f"{' '.join(words[:at])} --set {key}")
    return wrong


def has_key(model: Any, key: str) -> bool:
    """Whether a dotted key leads through the sections of a configuration to a setting."""
    here: set[Any] = {model}
    for part in key.split("."):
        if part.isdecimal() or dict in here:
            continue
        here = {kind for section in here for kind in _kinds(_fields(section).get(part))}
        if not here:
            return False
    return True


def _fields(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if section in (TrackerSettings, IdentityParams):
        return {field.name: str for field in dataclasses.fields(section)}
    return {}


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    inner = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    own = {dict} if origin is not None and isinstance(origin, type) and issubclass(origin, dict) else set()
    return own | ({kind for part in inner for kind in _kinds(part)} if inner else {annotation} - {None})


def texts() -> Iterator[tuple[str, str]]:
    """Every page, and every docstring and string of the packages: where it is, and its text."""
    for page in PAGES:
        if page.name not in OLD:
            yield page.name, page.read_text(encoding="utf-8")
    for folder in ("pipeline", "reid", "trackers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name in OLD:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                    yield str(path.relative_to(ROOT)), node.value


def code_of(text: str) -> Iterator[str]:
    """The fenced and marked pieces of code of a text, and examples of help texts; lines that are continued are one."""
    for block, span in _CODE.findall(text):
        yield from (block.replace("\\\n", " ").splitlines() if block else [span])
    yield from re.findall(r"^ +(relaytrack .*)", text, re.MULTILINE)


def test_the_checks_can_fail() -> None:
    assert wrong_in_command("run --source a.mp4 --blur persons") == []
    assert wrong_in_command("run --sauce a.mp4") == ["run --sauce"]
    assert wrong_in_command("runn --source a.mp4") == ["command runn"]
    assert wrong_in_command("reid tran light") == ["command reid tran"]
    assert wrong_in_command("bench serve --rounds 3 --caches X") == ["bench serve --caches"]
    assert wrong_in_command("run a.yaml --set tracker.high_score=0.5") == ["run --set tracker.high_score"]
    assert wrong_in_command("reid train light --set data.sources.0.root=x --set run.iteration=3") == [
        "reid train --set run.iteration"
    ]
    assert has_key(Config, "cameras.0.zones.door")
    assert has_key(Config, "sinks.0.options.host")
    assert not has_key(Config, "cameras.0.crop")


def test_commands_exist_with_their_options_and_keys() -> None:
    found = [
        (where, command) for where, text in texts() for code in code_of(text) for command in _COMMAND.findall(code)
    ]
    assert len(found) > 100
    wrong = {(where, problem) for where, command in found for problem in wrong_in_command(command)}
    assert sorted(wrong) == []


def test_options_exist() -> None:
    known = {option for parser in parsers().values() for option in options(parser)} | OTHERS
    named = {(where, name) for where, text in texts() for code in code_of(text) for name in _OPTION.findall(code)}
    assert len(named) > 60
    assert sorted((where, name) for where, name in named if name not in known) == []


def test_keys_of_the_configuration_exist() -> None:
    sections = {*Config.model_fields, *TrainConfig.model_fields}
    named = {
        (where, found[1])
        for where, text in texts()
        for code in code_of(text)
        if (found := _KEY.fullmatch(code.strip())) and found[1].partition(".")[0] in sections
    }
    named = {(where, key) for where, key in named if key.rpartition(".")[2] not in _FILES}
    assert len(named) > 40
    assert sorted((w, key) for w, key in named if not (has_key(Config, key) or has_key(TrainConfig, key))) == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (where, name)
        for where, text in texts()
        for code in code_of(text)
        for name in re.findall(r"(?:^|\s|&& )make ([a-z]+)", code)
    }
    assert {"demo", "serve", "test", "tools"} <= {name for _, name in named}
    assert sorted((where, name) for where, name in named if name not in targets) == []


@pytest.mark.parametrize("name", ["RELAYTRACK_REQUIRE", "RELAYTRACK_SHARED"])
def test_variables_are_read_somewhere(name: str) -> None:
    assert any(name in path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py"))


def complete_commands() -> Iterator[tuple[str, list[str]]]:
    """The commands in the blocks of code of the pages, without those whose arguments are left open."""
    for page in PAGES:
        if page.name not in OLD:
            for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
                for line in block.replace("\\\n", " ").splitlines():
                    for command in _COMMAND.findall(line):
                        if not re.search(r"\.\.\.|\bPID\b|\$|\(|[A-Z]+(?: [A-Z]+){3}", command):
                            yield page.name, shlex.split(command, comments=True)


def refused(words: list[str]) -> str:
    """Why a command line, without the word relaytrack, would be refused; empty if it would not."""
    at = 2 if tuple(words[:2]) in parsers() else 1
    parser = parsers()[tuple(words[:at])]
    said: list[str] = []

    def fail(message: str) -> typing.NoReturn:
        said.append(message)
        raise SystemExit(2)

    before, parser.error = parser.error, fail  # type: ignore[method-assign]
    try:
        parser.parse_args(words[at:])
    except SystemExit:
        return " ".join(said) or "it only shows its help"
    finally:
        parser.error = before  # type: ignore[method-assign]
    return ""


def test_commands_of_the_pages_would_be_taken() -> None:
    assert refused(["bench", "serve", "--only", "glas"]).startswith("argument --only: unknown value")
    assert "required" in refused(["track", "--video", "a.mp4"])
    commands = list(complete_commands())
    assert len(commands) > 25
    assert [(page, words, why) for page, words in commands if (why := refused(words))] == []


def test_addresses_of_the_server_exist() -> None:
    app = create_app(SimpleNamespace(config=Config(), accounts=None))  # type: ignore[arg-type]

    def served(path: str) -> bool:
        scopes = [{"type": kind, "method": "GET", "path": path, "headers": []} for kind in ("http", "websocket")]
        return any(route.matches(scope)[0] is not Match.NONE for scope in scopes for route in app.routes)

    assert served("/api/v1/events/socket")
    assert not served("/api/v1/happenings")
    named = {
        (where, found[1])
        for where, text in texts()
        for code in code_of(text)
        if (found := re.search(r"(?:^| |:8600)(/(?:api/v1/\w|live|metrics|ready|startup)(?:[\w/.-]*\w)?)", code))
    }
    assert len(named) > 15
    assert sorted((where, path) for where, path in named if not served(path)) == []
