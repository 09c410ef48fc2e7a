"""`loupe-admin`: the commands of operators. It calls the services over gRPC, with its own credential.

There is a module for each noun, such as `users` for `loupe-admin user …`. A command is a function that takes
an `Operator` and its arguments, and returns or yields an `Answer`.
"""

from gateway.admin.calls import Operator
from gateway.admin.command import build_parser, main
from gateway.admin.connection import OPTIONAL_NAMES, REQUIRED_NAMES, TLS_FILES

__all__ = ["OPTIONAL_NAMES", "REQUIRED_NAMES", "TLS_FILES", "Operator", "build_parser", "main"]
