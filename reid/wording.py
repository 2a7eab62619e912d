"""Values of settings in words: what is wrong with one, and a program's own as a file would say it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def is_unicode(text: str) -> bool:
    """Whether a word of the command line could be read: bytes that could not are lone surrogates in it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def no_unicode(what: str, remedy: str) -> str:
    """What is wrong with such a word.

    Args:
        what: what messages call it.
        remedy: what to do where it is not UTF-8.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return f"the {what} is not UTF-8; {remedy}"
    return f"the {what} has letters that this locale lacks; set LC_ALL=C.UTF-8 or PYTHONUTF8=1"


_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dataclass_type": "must be a mapping (key: value)",
    "dict_type": "must be a mapping (key: value)",
    "extra_forbidden": "is no key that is known",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "invalid_key": "keys are text (put it in quotes)",
    "is_instance_of": "must be a {class}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "mapping_type": "must be a mapping (key: value)",
    "missing": "is missing",
    "model_attributes_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "string_too_long": "must have at most {max_length} letters",
    "string_too_short": "must not be empty",
    "string_type": "must be text (put it in quotes)",
    "string_unicode": no_unicode("name", "rename the file or folder"),
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "tuple_type": "must be a list",
}


def plain_words(problem: Mapping[str, Any]) -> str:
    """What one problem says.

    Args:
        problem: an entry of `ValidationError.errors()`.

    Returns:
        The end of a sentence that begins with the key; pydantic's own message for a kind that has no words here.
    """
    words = _WORDS.get(str(problem["type"]))
    if words is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    try:
        return words.format_map(problem.get("ctx") or {})
    except (KeyError, ValueError):  # a limit that is no number, such as a date
        return str(problem["msg"])


def device_text(value: object) -> object:
    """A `torch.device` as settings say it, "cpu" or "cuda:1"; anything else as it is. It loads no library."""
    if (type(value).__module__, type(value).__name__) != ("torch", "device"):
        return value
    return "cpu" if str(value).startswith("cpu") else str(value)
