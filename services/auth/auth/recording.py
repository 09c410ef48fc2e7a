"""Records the security events of auth."""

from common.audit import Recorder

record = Recorder("auth")
