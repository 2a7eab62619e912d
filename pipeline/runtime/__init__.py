"""How a run is carried out: stages on threads, and what they took."""
