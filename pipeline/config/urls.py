"""User names and passwords of addresses never reach a log, an exception, a file or the screen.

Nobody can tell for certain where a password begins and ends in an address that was written by hand. So this works
the other way round: `shown_address` shows what is known to be harmless (scheme, host, usual names of streams) and
hides all the rest, and `redact_url` hides in a text whatever might belong to an address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.paths import plain_path

HIDDEN = "***"
ENCODE_HINT = (
    "special characters of a user name or password must be percent-encoded: "
    "%40 for @, %23 for #, %2F for /, %3A for :, %3F for ?, %20 for a space"
)

_USER = r"(?:[A-Za-z0-9._~%!$&'()*+,;=:-]|\$\{[A-Za-z_][A-Za-z0-9_]*\})+@"
_HOST = r"\[[0-9A-Fa-f:.]+\]|localhost|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\.?"
_NETWORK = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>{_USER})?(?P<host>{_HOST})(?P<port>:\d{{1,5}})?"
    r"(?P<path>/[^@\s?#]*)?(?P<query>\?[^@\s#]*)?"
)
_STORE = re.compile(r"(?:s3a?|gs|gcs|az|abfss?|adl|oci|oss|memory)://[^\s@?#:;,]*")  # of files: no login is in these
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_START = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*://|webcam:)", re.IGNORECASE)
# Names of streams that cameras and servers come with; a number may follow, or stand alone, and the ending of a file.
MOUNT = re.compile(
    r"(?:(?:(?:av|axis-media|cam|camera|ch|channel|channels|h264|h265|hls|live|livestream|main|media|mjpeg|mpeg4"
    r"|multicast|onvif|onvif-media|path|play|profile|realmonitor|sub|stream|streaming|track|unicast|video"
    r"|videomain|videosub)[-_]?\d{0,3}|\d{1,3})(?:\.(?:amp|cgi|m3u8|mjpg|mp4|sdp|ts))?)?",
    re.IGNORECASE,
)
_HARMLESS_PAIR = re.compile(
    r"(?:channel|ch|fps|profile|resolution|stream|subtype|track|transport|unicast)=\w{0,4}", re.I
)
_SECRET_KEY = re.compile(
    r"(?P<key>(?:^|[?&;/_#])\w*(?:api_?key|auth|cred|key|log(?:in)?|pass|pw|psw|secret|sig|token|user|usr)\w*[=:])"
    r"(?=\S)",
    re.IGNORECASE,
)
# Within a sentence or the text of a mapping; `user` and `key` are words of our own messages there.
_SECRET_IN_TEXT = re.compile(
    r"(?P<key>[\s\"'(\[{,]\w*(?:api_?key|auth|cred|pass|pw|psw|secret|token)\w*(?:=|[\"']\s*:\s*))(?=\S)", re.IGNORECASE
)
_LOGIN_WITHOUT_SCHEME = re.compile(r"[^\s:]*:[^\s@].*@\S*", re.DOTALL)
_LONGEST = 120  # letters of a value in a message
_KEY = re.compile(r"[\w. -]{1,100}")
_HIDDEN_OPTION = re.compile(r"auth|cred|header|key|login|pass|pw|secret|sig|token|user|usr", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def plain_address(address: str) -> str:
    """Return the one form of an address that the rest of the program knows.

    The scheme becomes small letters (`RTSP://`, `WEBCAM:0`) and spaces before it go; a `file://` address and a
    path with `~` become a plain path (`relaytrack.reid.paths.plain_path`).
    """
    found = _START.match(address)
    if found is None:
        return plain_path(address)
    address = found[1].lower() + address[found.end() :]
    return plain_path(address) if address.startswith("file:") else address


def shown_address(address: str) -> str:
    """Return what may be shown of a camera's address.

    Args:
        address: the address as configured: an URL, `webcam:0`, or a file's name.

    Returns:
        `scheme://***@host:port/stream1` for an address in good order, with `***` for a path or query that is not
        one of the usual names of streams; `scheme://***` where the parts cannot be told apart for certain; a
        file's name as it is, unless it looks like an address without its scheme.
    """
    text = address.strip()
    if text.lower().startswith("file://") or not _SCHEME.match(text):
        return text if os.path.exists(text) else HIDDEN if re.search(":.*@", text, re.DOTALL) else _hide_login(text)
    if _STORE.fullmatch(text):
        return text
    found = _NETWORK.fullmatch(text)
    if found is None:
        return f"{text.split('://')[0]}://{HIDDEN}"
    user = f"{HIDDEN}@" if found["user"] else ""
    return f"{found['scheme']}://{user}{found['host']}{found['port'] or ''}{_shown_tail(found)}"


def is_ambiguous(address: str) -> bool:
    """Whether an address may hold a login whose special characters are not percent-encoded."""
    return bool(_SCHEME.match(address)) and shown_address(address).endswith(f"://{HIDDEN}") and "@" in address


def one_line(error: BaseException) -> str:
    """What an error says, in one line and without passwords."""
    return " ".join(redact_url(str(error)).split())


def redact_url(text: str) -> str:
    """Return a message with everything hidden that may be a user name, a password or a part of one.

    Nobody knows where an address ends within a text, since a password may hold spaces. So whatever follows an
    address is hidden, unless `shown_address` has been over it: build messages with the address at the end.
    """
    found = _SCHEME.search(text)
    if found is None:
        return _hide_login(text)
    before, rest = _hide_login(text[: found.start()]), text[found.start() :]
    end = re.search(r"[:,;.)\]}>'\"]*(?:\s|$)", rest)
    assert end is not None, "the end of the text always matches"
    token, after = rest[: end.start()], rest[end.start() :]
    shown = shown_address(token)
    harmless = HIDDEN in token or (_STORE.fullmatch(token) is not None and "@" not in after)
    if token.lower().startswith("file://") or (shown == token and harmless):
        return before + shown + redact_url(after)
    if len(after) > 2:  # more than the end of a sentence: what looks like the host may be a piece of the password
        return f"{before}{token.split('://')[0]}://{HIDDEN}"
    return before + shown + ("" if shown.endswith(HIDDEN) else after)


def quoted(value: object) -> str:
    """`repr` of a value from outside for a message, shortened; hidden where it may be an address with a password."""
    plain = str(value)
    if _SCHEME.search(plain):
        return repr(shown_address(plain)) if _SCHEME.match(plain) else repr(HIDDEN)
    text = repr(value)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 20]}...{text[-10:]}"
    return text if "@" not in plain and _hide_login(plain) == plain else repr(HIDDEN)


def shown_key(key: str) -> str:
    """A configuration's key for a message; a slip of the pen may have made a key of an address."""
    return key if _KEY.fullmatch(key) else HIDDEN


def expand_variables(url: str, camera: str) -> str:
    """Fill `${NAME}` from the environment.

    Raises:
        ConfigError: a variable is not set, or of no use; the message names the camera and the variable.
    """
    return fill_variables(url, f"camera {camera!r}", " in its url")


def fill_variables(text: str, where: str = "", place: str = "") -> str:
    """Fill `${NAME}` from the environment.

    Args:
        text: the text.
        where: whose it is, for the message.
        place: where in it the variable stands, for the message.

    Raises:
        ConfigError: a variable is not set, or its value can be no part of an address or a path: it has a line break
            (`PASSWORD="$(cat file; echo)"`), blanks around it, or is empty and all there is. The message names it.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        said = f"{where}: " if where else ""
        if name not in os.environ:
            raise ConfigError(f"{said}environment variable {name}{place} is not set")
        found = os.environ[name]
        if not found and match[0] == text.strip():
            raise ConfigError(f"{said}environment variable {name}{place} is empty")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in found):
            raise ConfigError(f"{said}environment variable {name}{place} has a line break or another control character")
        if found != found.strip():
            raise ConfigError(f"{said}environment variable {name}{place} begins or ends with a blank")
        return found

    return _VARIABLE.sub(value, text)


def known_variables(text: str) -> str:
    """The text with every `${NAME}` filled that the environment has; for looking at it, not for a message."""
    return _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), text)


def public_options(options: Any, key: str = "") -> Any:
    """Options of a part as they may be shown: texts under a key that may be secret are hidden, addresses cut."""
    if isinstance(options, Mapping):
        inside = key if _HIDDEN_OPTION.search(key) else ""
        return {name: public_options(value, inside or str(name)) for name, value in options.items()}
    if isinstance(options, list | tuple):
        return [public_options(value, key) for value in options]
    if _HIDDEN_OPTION.search(key):
        return None if options is None else HIDDEN
    if isinstance(options, str):
        return shown_address(options) if _SCHEME.match(options.strip()) else redact_url(options)
    return options


def _shown_tail(found: re.Match[str]) -> str:
    """Path and query where all their parts are known to be harmless, `/***` otherwise."""
    path, query = found["path"] or "", found["query"] or ""
    segments = path.split("/")
    harmless = (
        sum(segment.isdecimal() for segment in segments) <= 1
        and all(MOUNT.fullmatch(segment) for segment in segments)
        and all(_HARMLESS_PAIR.fullmatch(pair) for pair in query[1:].split("&") if pair)
    )
    return path + query if harmless else f"/{HIDDEN}"


def _hide_login(text: str) -> str:
    """Hide `user:password@host` and the values of keys such as `password=` in a text that has no `scheme://`."""
    text = _LOGIN_WITHOUT_SCHEME.sub(HIDDEN, text)
    for pattern in (_SECRET_KEY, _SECRET_IN_TEXT):
        found = pattern.search(text)
        text = text if found is None else f"{text[: found.end('key')]}{HIDDEN}"
    return text
