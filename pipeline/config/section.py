"""What all sections of the configuration share: their base class, and types of single values."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from relaytrack.pipeline.config.urls import fill_variables
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.paths import plain_path
from relaytrack.reid.wording import device_text

_IPV6 = re.compile(r"[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*(?:%\w+)?")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_TURNING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _network(value: str) -> str:
    ipaddress.ip_network(value)
    return value


def _proxy(value: str) -> str:
    if value == "*":
        return value
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise ValueError("must be an IP address or a network such as 10.0.0.0/8, not a name") from None
    return str(network) if "/" in value else value.strip()


def _host_name(value: str) -> str:
    """The name as browsers send it: small letters, no brackets, other letters than ASCII encoded."""
    name = value.strip().removeprefix("[").removesuffix("]").lower()
    if _IPV6.fullmatch(name):
        return name
    with suppress(UnicodeError):
        name = name.encode("idna").decode()
    if not _NAME.fullmatch(name):
        raise ValueError("must be a name alone, such as cams.example.org: no https, port, path or *")
    return name


def _scheme(value: str) -> str:
    name = value.strip().lower()
    if not _SCHEME.fullmatch(name):
        raise ValueError("must be a scheme alone, such as rtsp, and nothing after it")
    return name


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", value):
        raise ValueError("must be auto, cpu, cuda or cuda:NUMBER")
    return value


def _title(value: str) -> str:
    if _TURNING.search(value):
        raise ValueError("must be one line, without marks that turn the direction of writing")
    return value


def _file_name(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    try:
        return plain_path(fill_variables(value))
    except ConfigError as error:
        raise ValueError(str(error)) from None


Network = Annotated[str, AfterValidator(_network)]
"""An IP network, `10.0.0.0/8`."""
Proxy = Annotated[str, AfterValidator(_proxy)]
"""An IP address or network; `*` is any."""
HostName = Annotated[str, AfterValidator(_host_name)]
"""A host's name, or its IP address, as browsers send it."""
Scheme = Annotated[str, AfterValidator(_scheme)]
"""What addresses begin with, before `://`: small letters."""
Device = Annotated[str, BeforeValidator(device_text), AfterValidator(_device)]
"""Where networks run: `auto`, `cpu`, `cuda` or `cuda:1`."""
Point = tuple[float, float]
Title = Annotated[str, AfterValidator(_title)]
"""What pages call something: any letters, without line breaks and marks that turn the direction of writing."""
FileName = Annotated[str, AfterValidator(_file_name)]
"""A path: `~`, `file://` and `${NAME}` are filled in."""
Place = Annotated[str, AfterValidator(plain_path)]
"""A folder, or an URL whose `${NAME}`, maybe a password, is filled in only where it is used."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, defaults checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
