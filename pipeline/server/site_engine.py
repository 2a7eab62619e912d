"""What the server needs of an engine; the pipeline of this process has it, and so has that of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.results.correction import Kind
from relaytrack.pipeline.runtime.snapshot import Snapshot


class PeopleSaid(Protocol):
    """What operators said of people, as the association keeps to it; see `Corrections`."""

    def recall(self, merged: Mapping[int, int], cannot_link: Iterable[frozenset[int]] = ()) -> None:
        """Add what was said in earlier starts."""

    def forbid_link(self, one: int, other: int) -> None:
        """From now on these are two people."""


class PeopleCorrector(Protocol):
    """Carries out what operators say of people; see `Corrector`."""

    def apply(
        self,
        kind: Kind,
        person: int,
        new: int = 0,
        *,
        tracks: Iterable[tuple[str, int]] | None = None,
        delete_videos: bool = False,
    ) -> None:
        """Carry out a correction.

        Raises:
            RelayTrackError, TrackerError: something could not follow.
        """


class SiteEngine(Protocol):
    """See the methods of `engine.Pipeline`.

    Attributes:
        on_networks: told of the networks once they are loaded, where they are loaded here.
        on_mark: told by what the network is known that describes people, here or on other machines; None where that is
            not known.
        earlier: tracks of earlier starts.
    """

    on_networks: Callable[[Perception], object] | None
    on_mark: Callable[[bytes | None], object] | None
    earlier: Sequence[EarlierTrack]

    @property
    def config(self) -> Config:
        """The settings; the cameras are those of the start."""

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""

    @property
    def colors(self) -> IdentityColors:
        """The identities' colours."""

    @property
    def corrections(self) -> PeopleSaid:
        """What operators said of people."""

    def start(self) -> object:
        """Begin."""

    def stop(self) -> None:
        """End soon and cleanly; from any thread or signal."""

    def join(self, timeout: float | None = None) -> object:
        """Wait for the end, and raise what ended it."""

    def status(self) -> Snapshot:
        """The run at present; from any thread."""

    def add_camera(self, camera: CameraConfig) -> str:
        """Take up a camera; its name."""

    def change_camera(self, camera: CameraConfig) -> None:
        """Give a camera other settings."""

    def pause_camera(self, name: str) -> None:
        """Take no frames of a camera for now."""

    def resume_camera(self, name: str) -> None:
        """Take its frames again."""

    def remove_camera(self, name: str) -> None:
        """Let a camera go."""

    def corrector(self) -> PeopleCorrector:
        """Carries out what operators say of people."""

    def networks(self) -> Perception | None:
        """The networks for searching, loaded now; None where `on_networks` is told of the engine's own.

        Raises:
            ConfigError: they describe people otherwise than those of the machines that follow the cameras.
        """

    def change_settings(self, wanted: Config, keys: Collection[str]) -> None:
        """Take up other settings while the run goes on."""
