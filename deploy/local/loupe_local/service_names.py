"""The names of the services. Servers, tests and benchmarks take theirs from here."""

NAMES = ("auth", "billing", "images", "inference", "outbound", "gateway")
WITH_DATABASE = ("auth", "billing", "images", "outbound")
CLIENTS = ("gateway", "images", "inference", "outbound", "operator")
"""Clients to which auth issues service tokens. The operator is `loupe-admin`."""
