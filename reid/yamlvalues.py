"""YAML of configurations and of options, with every fault of it as one kind of error."""

from __future__ import annotations

import re
from typing import Any

import yaml

LONGEST = 10_000_000  # bytes of a configuration at the most

_COMMENT = re.compile(r"(?:^|\s)#")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")


class DoubleKeyError(yaml.MarkedYAMLError):
    """A key is there twice in one mapping; `key` is its text, `line` that of the second, from 1."""

    def __init__(self, key: str, mark: yaml.Mark) -> None:
        super().__init__(problem="a key is there twice", problem_mark=mark)
        self.key, self.line = key, mark.line + 1


def parse_yaml(text: str) -> Any:
    """Read YAML into plain values.

    Two things are other than YAML 1.1 has them. A key that is there twice is an error: the first value would be lost
    without a word. Numbers that begin with zeros are decimal, as in YAML 1.2 (010 is ten, not eight).

    Raises:
        DoubleKeyError: a key is there twice.
        yaml.YAMLError: it is none, or has values that cannot be: a date such as 2024-13-45, a number of thousands
            of digits, brackets nested without end.
    """
    try:
        return yaml.load(text, _Loader)
    except (ValueError, OverflowError, RecursionError, TypeError, AttributeError) as error:
        raise yaml.YAMLError(str(error)) from None


def parse_value(text: str) -> Any:
    """Read the value of an option, as of `--set KEY=VALUE`: YAML, but without comments and "" for no letters.

    A number sign belongs to the value there, as in the path "weights #2.onnx" and the title "Gate #4".

    Raises:
        yaml.YAMLError: as of `parse_yaml`.
    """
    plain = text.strip()
    if _COMMENT.search(plain) and "\n" not in plain and plain[0] not in "\"'[{":
        return plain
    return parse_yaml(text) if plain else ""


def yaml_fault(error: yaml.YAMLError, text: str) -> str:
    """What is wrong with a text that `parse_yaml` refused, and in which line; the text itself is not repeated.

    Args:
        error: how it was refused.
        text: the text.

    Returns:
        The end of a sentence: "in line 3: a tab; YAML is indented with spaces". "" where nothing is known.
    """
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ""
    for number, line in enumerate(text.split("\n")[: mark.line + 1], 1):
        indent = line[: len(line) - len(line.lstrip())]
        odd = indent.strip(" \r")
        if odd and line.strip() and not line.lstrip().startswith("#"):
            kind = "a tab" if odd[0] == "\t" else "a blank that is no space (copied from a web page?)"
            return f" in line {number}: {kind}; YAML is indented with spaces"
    problem = str(getattr(error, "problem", ""))
    line = f" in line {mark.line + 1}"
    if problem.startswith("could not determine a constructor"):
        return f"{line}: tags (!name) are not understood"
    if "but found another document" in problem:
        return f"{line}: a second document begins there (---)"
    return line


class _Loader(yaml.SafeLoader):
    """The safe loader, with single keys and decimal numbers."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Build one mapping; refuse keys that are there twice, as they are written (`<<` may be)."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise DoubleKeyError(key.value, key.start_mark)
            seen.add((key.tag, key.value))
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number; zeros in front do not make it octal."""
        text = str(self.construct_scalar(node))
        if _LEADING_ZERO.fullmatch(text):
            return int(text.replace("_", ""))
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
