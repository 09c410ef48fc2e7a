"""Records the security events of images."""

from common.audit import Recorder

record = Recorder("images")
