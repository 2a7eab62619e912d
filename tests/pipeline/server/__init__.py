"""A package, so that the fixture `site` ends with its last test (pytest closes what belongs to a package then)."""
