"""The settings of `relaytrack serve`."""

from __future__ import annotations

from pydantic import Field, model_validator

from relaytrack.pipeline.config.section import FileName, HostName, Network, Proxy, Scheme, Section, Title


class ServerConfig(Section):
    """`relaytrack serve`: where the page is, where it keeps what it knows, and who may do what."""

    host: str = Field(default="127.0.0.1", description="address to listen on; others than 127.0.0.1 need a user")
    port: int = Field(default=8600, ge=0, le=65535, description="0 takes any free one")
    name: Title = Field(default="RelayTrack", min_length=1, max_length=60, description="what the page calls the site")
    dir: FileName = Field(default="out/site", description="folder of accounts, people, events and the audit log")
    hosts: tuple[HostName, ...] = Field(
        default=(), description="further names under which browsers may ask for the page"
    )
    schemes: tuple[Scheme, ...] = Field(
        default=("rtsp", "rtsps", "webcam"), description="kinds of camera addresses that can be added in the page"
    )
    networks: tuple[Network, ...] | None = Field(
        default=None, description="networks (10.0.0.0/8) that added cameras must be in; default: any"
    )
    session_hours: float = Field(default=12.0, gt=0, le=8760, description="a log-in holds that long")
    upload_mb: float = Field(default=8.0, gt=0, le=100, description="size of an uploaded picture at the most")
    retain_days: float | None = Field(default=30.0, gt=0, description="events and people are kept; null: for ever")
    tls_cert: FileName | None = Field(default=None, description="PEM file of the certificate chain, for https")
    tls_key: FileName | None = Field(default=None, description="PEM file of its private key")
    trusted_proxies: tuple[Proxy, ...] = Field(
        default=(), description="addresses or networks of reverse proxies whose X-Forwarded-* headers count"
    )

    @model_validator(mode="after")
    def _together(self) -> ServerConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("give both tls_cert and tls_key, or none")
        if "*" in self.trusted_proxies and len(self.trusted_proxies) > 1:
            raise ValueError("trusted_proxies: * is any, so nothing stands beside it")
        return self
