"""What happens, as it happens: one JSON object per line, one schema."""

from relaytrack.pipeline.events.schema import EVENT_TYPES, Event, event_schema, parse_event
from relaytrack.pipeline.events.zones import LineWatch, ZoneWatch

__all__ = ["EVENT_TYPES", "Event", "LineWatch", "ZoneWatch", "event_schema", "parse_event"]
