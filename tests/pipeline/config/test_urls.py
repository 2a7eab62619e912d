"""Passwords never reach a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.config.urls import expand_variables, redact_url
from relaytrack.pipeline.errors import ConfigError

WORD = st.text(st.characters(codec="ascii", exclude_characters="/ ?#\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f"), min_size=4)


@given(user=WORD, password=WORD)
def test_credentials_of_a_url_inside_any_message_vanish(user: str, password: str) -> None:
    shown = redact_url(f"cannot open rtsp://{user}:{password}@host:554/path: refused")
    assert shown == "cannot open rtsp://***@host:554/path: refused"


@pytest.mark.parametrize("password", ["a/b", "a?b", "a#b", "a@b", "a@b/c@d", "123456/7", 'a"b', "a'b"])
def test_a_password_that_should_have_been_escaped_vanishes_too(password: str) -> None:
    assert redact_url(f"rtsp://user:{password}@host:554/path") == "rtsp://***@host:554/path"


@pytest.mark.parametrize("url", ["rtsp://host:554/a@b", "rtsp://[::1]:554/a@b", "http://host/a?mail=b@c", "a@b:c"])
def test_an_at_sign_behind_the_host_is_no_credential(url: str) -> None:
    assert redact_url(url) == url


def test_secret_query_keys_are_hidden() -> None:
    assert redact_url("rtsp://h/x?channel=1&password=abc") == "rtsp://h/x?channel=1&password=***"


def test_variables_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "s3cret")
    assert expand_variables("rtsp://u:${CAM_PASSWORD}@h/x", "door") == "rtsp://u:s3cret@h/x"
    with pytest.raises(ConfigError, match="camera 'door': environment variable NOT_SET_ANYWHERE"):
        expand_variables("rtsp://${NOT_SET_ANYWHERE}@h/x", "door")
