"""From frames to people with boxes and embeddings: the networks."""
