"""User names and passwords of URLs never reach a log, an exception, a file or the screen."""

from __future__ import annotations

import os
import re

from relaytrack.pipeline.errors import ConfigError

# First a password with '/', '?', '#' or '@' in it, which no port can be mistaken for; then the orderly ones.
_CREDENTIALS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/\s?#:@\[]*:(?!\d{1,5}(?:[/?#\s]|$))\S*@|[^/\s?#]*@)"
)
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&](?:user|username|usr|login|pass|passwd|password|pwd|token|auth|key|secret)=)[^&\s#]*", re.I
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def redact_url(text: str) -> str:
    """Return `text` with the credentials of every URL in it replaced by `***`.

    Args:
        text: a URL or any message that may hold some.

    Returns:
        The same text with `scheme://***@host` for `scheme://user:password@host` and with the values of query
        keys such as `password` or `token` replaced.
    """
    text = _CREDENTIALS.sub(lambda match: f"{match['scheme']}***@", text)
    return _SECRET_QUERY.sub(lambda match: f"{match['key']}***", text)


def expand_variables(url: str, camera: str) -> str:
    """Fill `${NAME}` from the environment.

    Raises:
        ConfigError: a variable is not set; the message names the camera and the variable.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise ConfigError(f"camera {camera!r}: environment variable {name} in its url is not set")
        return os.environ[name]

    return _VARIABLE.sub(value, url)
