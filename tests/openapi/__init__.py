"""Checks that an update of the API breaks no client that was made for the last release."""
