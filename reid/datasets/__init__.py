"""Person re-identification data sets: how each one's files name identities and cameras."""
