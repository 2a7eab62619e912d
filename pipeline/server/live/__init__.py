"""Live pictures: encoded once per camera, sent to everybody who looks, nothing while nobody does."""
