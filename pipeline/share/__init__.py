"""A place that all machines reach, a folder or a store behind an URL, and the results that are kept there, too."""
