"""Records the security events of outbound."""

from common.audit import Recorder

record = Recorder("outbound")
