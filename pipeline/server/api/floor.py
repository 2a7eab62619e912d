"""`/api/v1/floor`: people on the floor, their paths, and the heat map, where cameras are calibrated."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from relaytrack.pipeline.server.api.context import TheSite, Viewer
from relaytrack.pipeline.server.descriptions import color_of, ink_of, titles_of
from relaytrack.pipeline.server.floor import CELL

router = APIRouter(prefix="/floor", tags=["floor"])


@router.get("")
def floor(site: TheSite, _: Viewer) -> dict[str, Any]:
    """Who is on the floor, in metres, with the paths of the last half minute; what each camera sees of it."""
    people = []
    for one in site.floor.people():
        color = color_of(int(one["identity"]), site.pipeline.colors)
        people.append({**one, "color": color, "ink": ink_of(color)})
    titles = titles_of(site.pipeline.cameras)
    views = site.floor.views()
    return {
        "calibrated": site.floor.calibrated,
        "people": people,
        "views": views,
        "titles": {name: titles.get(name, name) for name in views},
    }


@router.get("/heat")
def heat(site: TheSite, _: Viewer) -> dict[str, Any]:
    """How long people stood where since the start: rows of x, y (metres, a cell's corner) and seconds."""
    return {"cell": CELL, "since": site.floor.since(), "cells": site.floor.heat()}
