"""Training of re-identification networks: configuration, losses, schedule, loop."""
