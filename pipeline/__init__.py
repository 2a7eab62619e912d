"""RelayTrack: many cameras in; annotated videos, tracks and one identity per person out."""
