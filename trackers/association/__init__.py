"""Which detection belongs to which track."""
