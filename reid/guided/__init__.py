"""Training with teachers, all pictures on one device: how the shipped default weights were made.

`pictures` holds every crop as one array, `draw` says which of them a step has, `views` changes whole batches at random,
`teacher` runs the networks that are learned from, and `learner` makes the steps in the loop of
`relaytrack.reid.training.loop`. `relaytrack reid guide` is the command.
"""
