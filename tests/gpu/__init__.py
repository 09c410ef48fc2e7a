"""Checks the networks on a machine with a GPU."""
