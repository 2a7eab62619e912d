"""`relaytrack serve`: the engine behind a page, an API and live pictures, in one process."""
