"""Maps the folders `pipeline`, `reid` and `trackers` to the installed names `relaytrack.pipeline` and so on.

The folders have short names; installed under these they would collide with other packages of PyPI. `relaytrack`
itself is `pipeline/public`. An editable install also makes `build/links`, a tree of links with the installed names,
for tools that read files instead of importing (mypy, editors).
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
FOLDERS = ("pipeline", "reid", "trackers")
FACADE = "pipeline/public"


class EditableWheel(editable_wheel):
    """The usual editable install, and the links."""

    def run(self) -> None:
        """Make the links, then install."""
        links = ROOT / "build" / "links" / "relaytrack"
        links.mkdir(parents=True, exist_ok=True)
        targets = {name: ROOT / name for name in FOLDERS}
        targets |= {path.name: path for path in (ROOT / FACADE).iterdir() if path.is_file()}
        for name, target in targets.items():
            link = links / name
            link.unlink(missing_ok=True)
            try:
                link.symlink_to(target)
            except OSError:  # Windows without the right to link: everything runs, only mypy finds no sources
                break
        super().run()


found = [name for folder in FOLDERS for name in find_packages(str(ROOT), include=[folder, f"{folder}.*"])]
packages = [f"relaytrack.{name}" for name in found if name != FACADE.replace("/", ".")]
setup(
    packages=["relaytrack", *packages],
    package_dir={"relaytrack": FACADE} | {f"relaytrack.{folder}": folder for folder in FOLDERS},
    cmdclass={"editable_wheel": EditableWheel},
)
