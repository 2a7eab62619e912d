"""The pictures of a step: people hidden first, then drawn once, for all receivers together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import Image, Images, Step
from relaytrack.pipeline.render.annotator import Annotator
from relaytrack.pipeline.render.anonymise import Mode, Veil, hide
from relaytrack.pipeline.render.hidden_boxes import HiddenRecord
from relaytrack.pipeline.render.places import Places


class Pictures:
    """Adds pictures to steps before anybody receives them; every picture that a sink gets comes through here.

    Args:
        mode: what is hidden in every picture; None hides nothing.
        record: notes what was hidden, for a second pass over the files; None notes nothing.
        trail: seconds of path drawn behind a person.
        colors: the identities' colours; told who is seen.
        places: zones and lines to draw, by camera; looked up at every frame.
    """

    def __init__(
        self,
        mode: Mode | None,
        record: HiddenRecord | None = None,
        *,
        trail: float = 2.0,
        colors: IdentityColors | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> None:
        self._mode: Mode | None = mode
        self._record = record
        self._colors = colors or IdentityColors()
        self._annotator = Annotator(trail, self._colors, places)
        self._veils: dict[str, Veil] = {}

    def add(self, step: Step, raw: Images, *, pixels: bool, drawn: bool) -> Step:
        """Return the step with its pictures.

        Args:
            step: the facts.
            raw: the cameras' pictures, nobody hidden.
            pixels: somebody wants `images`.
            drawn: somebody wants `drawn`.

        Raises:
            OutputError: what was hidden cannot be noted.
        """
        self._colors.see(step.time, [identity for tracks in step for identity in tracks.global_ids.tolist()])
        images: dict[str, Image] = {}
        paintings: dict[str, Image] = {}
        for tracks in step:
            camera = tracks.frame.camera
            image = raw.get(camera)
            if self._mode is not None:
                boxes = self._veils.setdefault(camera, Veil()).update(tracks)
                if self._record is not None:
                    self._record.write(camera, tracks.frame.index, boxes)
                if image is not None and (pixels or drawn):
                    image = hide(image, boxes, self._mode)
            if image is not None and drawn:
                paintings[camera] = _shared(self._annotator.draw(tracks, image))
            else:
                self._annotator.follow(tracks)
            if image is not None and pixels:
                images[camera] = _shared(image)
        return replace(step, images=images, drawn=paintings) if images or paintings else step

    def change(self, mode: Mode | None, trail: float) -> None:
        """Hide people otherwise, and draw other trails, from the next step on."""
        self._mode = mode
        self._annotator.set_trail(trail)

    def forget(self, camera: str) -> None:
        """A camera has left."""
        self._veils.pop(camera, None)
        self._annotator.forget(camera)

    def close(self) -> None:
        """Close what was noted."""
        if self._record is not None:
            self._record.close()


def _shared(image: Image) -> Image:
    """The picture for several receivers: one that tries to paint into it fails alone, and the others see no trace."""
    view = image.view()
    view.flags.writeable = False
    return view
