"""Checks an operator's own network, and writes its entry of a model repository: see docs/own-models.md."""
