"""How a program corrects people while a live run goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from relaytrack.pipeline.runtime.correcting import Corrector


class PeopleCommands(ABC):
    """Merges, splits and forgets the people of a live run that is on its way; the base of `Pipeline`."""

    @abstractmethod
    def corrector(self) -> Corrector:
        """Carries corrections out.

        Raises:
            ConfigError: no live run is on its way.
        """

    def merge_people(self, people: Sequence[int]) -> None:
        """Join several people of a live run into one, who keeps the first number; what was written is changed, too.

        Raises:
            InputError: an unknown number, or people who were in one camera at the same time.
            RelayTrackError: a file or a receiver could not follow.
        """
        self.corrector().correct("merge", {"people": list(people)})

    def split_person(self, person: int, tracks: Sequence[tuple[str, int]]) -> int:
        """Give some tracks (camera, track id) of a person to a new person; returns the new number.

        Raises:
            InputError: an unknown number or track, or all tracks of the person.
            RelayTrackError: a file or a receiver could not follow.
        """
        return self.corrector().correct("split", {"person": person, "tracks": list(tracks)})[0].new

    def forget_person(self, person: int, *, delete_videos: bool = False) -> None:
        """Remove a person from everything that the run knows and has written.

        While they stay in view they are left out of everything; when they come back they are somebody new. The
        pictures of the time in which they were seen are blackened in the videos, or the videos are deleted.

        Raises:
            InputError: there is no such person.
            RelayTrackError: a file or a receiver could not follow.
        """
        self.corrector().correct("forget", {"person": person, "delete_videos": delete_videos})
