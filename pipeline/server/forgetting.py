"""Forgetting a person of the site in every place: its memory, the engine, and the folders of all its runs."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.postprocess.live_run import correct_live_run, is_live_run
from relaytrack.pipeline.postprocess.waiting_events import forget_waiting
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.results.identities import NAME
from relaytrack.pipeline.results.requests import Request, Requests, settle
from relaytrack.pipeline.results.run_data import load_run
from relaytrack.pipeline.results.run_lock import is_held
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.site_engine import PeopleCorrector
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.trackers import IdentityStore

SITE = "site.sqlite"
_PATIENCE = 120.0  # seconds that a server gets to answer


def forget_person(
    store: SiteStore,
    people: People,
    person: int,
    *,
    engine: PeopleCorrector | None = None,
    held: Collection[Path] = (),
    delete_videos: bool = False,
) -> None:
    """Forget a person.

    Args:
        store: the site's memory.
        people: its people.
        person: whom.
        engine: the engine's part, while it runs; it forgets in its own folder, and in the association's file.
        held: spools that the engine's sinks use; they forget there themselves.
        delete_videos: videos that show them are deleted, not covered.

    Raises:
        OutputError, SinkError, TrackerError: something cannot be written; a second call goes on with the rest.
    """
    if engine is not None:
        engine.apply("forget", person, delete_videos=delete_videos)
    people.forget(person)
    store.erase()
    if engine is None:
        for path in store.places("identities"):
            with IdentityStore(path) as file:
                file.forget([person])
    forget_waiting(set(store.places("spool")) - set(held), Correction("forget", person, 0, {}))
    unread = []
    for folder in store.places("run"):
        if is_live_run(folder) and not is_held(folder):
            try:
                correct_live_run(folder, "forget", {"person": person, "delete_videos": delete_videos}, held=held)
            except InputError:  # they were not seen there, or nobody can tell
                unread += _unread(folder)
    if unread:
        raise OutputError(f"{unread[0]}; mend or delete that folder")


def _unread(folder: Path) -> list[str]:
    """Why it cannot be told who was seen in a run's folder; [] where it can."""
    if not (folder / NAME).exists():  # it is written with the first person
        return []
    try:
        load_run(folder)
    except InputError as error:
        return [str(error)]
    return []


def is_site(folder: Path) -> bool:
    """Whether a folder is that of a site."""
    return (folder / SITE).is_file()


def forget_in_site(folder: Path, person: int, *, delete_videos: bool) -> None:
    """Forget a person of a site by its folder, while its server runs and when it does not.

    Raises:
        InputError: there is no such person.
        OutputError, SinkError, TrackerError: something cannot be written, or the server has not answered.
    """
    wanted = {"person": person, "delete_videos": delete_videos}
    settle(folder, "forget", wanted, partial(_forget_offline, folder), _PATIENCE)


def _forget_offline(folder: Path, request: Request) -> str:
    person = int(request.wanted["person"])
    store = SiteStore(folder / SITE)
    try:
        people = People(store)
        if request.state == "asked":
            check_known(people, person)
            Requests(folder).note(request.id, "begun")
        forget_person(store, people, person, delete_videos=bool(request.wanted["delete_videos"]))
    finally:
        store.close()
    return said(person)


def check_known(people: People, person: int) -> None:
    """Nothing, if there is such a person.

    Raises:
        InputError: there is none.
    """
    if not people.people(identity=person, limit=1):
        raise InputError(f"there is no person {person}")


def said(person: int) -> str:
    """What was done, in one line."""
    return f"person {person} is forgotten"


def erase_forgotten(store: SiteStore, identities: str | None) -> None:
    """Take the people who were forgotten out of the association's own file; no engine may have it open.

    While it runs it keeps them in memory, and would write them again.
    """
    known = [row["identity"] for row in store.rows("SELECT identity FROM forgotten")]
    if not known or identities is None or not Path(identities).exists():
        return
    with IdentityStore(identities) as file:
        file.forget(known)
    with store.writing() as database:
        database.execute("DELETE FROM forgotten")
