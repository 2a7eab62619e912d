"""The sub-commands of `relaytrack reid`: each module says what it takes and calls one function."""
