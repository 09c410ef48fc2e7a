"""Records the security events of billing."""

from common.audit import Recorder

record = Recorder("billing")
