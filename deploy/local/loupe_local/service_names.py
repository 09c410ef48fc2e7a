"""The names of the services. Servers, tests and benchmarks take theirs from here."""

NAMES = ("auth", "billing", "images", "inference", "gateway")
WITH_DATABASE = ("auth", "billing", "images")
CLIENTS = ("gateway", "images", "inference", "operator")
"""Those that auth gives tokens of their own. The operator is `loupe-admin`."""
