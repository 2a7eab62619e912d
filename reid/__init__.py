"""Re-identification: networks with exact, cheap attention, their training, evaluation and use.

Stands alone: nothing here needs the tracking pipeline. Start with `reid.embedder.Embedder` to embed crops,
`reid.model.build_model` for networks, `python -m reid --help` for everything on the command line.
"""
