"""The names of the services. Servers, tests and benchmarks take theirs from here."""

NAMES = ("auth", "billing", "images", "inference", "gateway")
WITH_DATABASE = ("auth", "billing", "images")
CLIENTS = ("gateway", "images", "inference", "operator")
"""Clients to which auth issues service tokens. The operator is `loupe-admin`."""
