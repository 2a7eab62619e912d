"""The settings of a run: their schema, how they are read, what URLs and devices they may name."""
