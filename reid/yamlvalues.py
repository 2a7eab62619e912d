"""YAML of configurations and of options, with every fault of it as one kind of error."""

from __future__ import annotations

from typing import Any

import yaml

LONGEST = 10_000_000  # bytes of a configuration at the most


def parse_yaml(text: str) -> Any:
    """Read YAML into plain values.

    Raises:
        yaml.YAMLError: it is none, or has values that cannot be: a date such as 2024-13-45, a number of thousands
            of digits, brackets nested without end.
    """
    try:
        return yaml.safe_load(text)
    except (ValueError, OverflowError, RecursionError, TypeError, AttributeError) as error:
        raise yaml.YAMLError(str(error)) from None
