"""Provides claims with folders of this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.chart.objects import Object
from tests.cluster.node import Node


@dataclass
class Volumes(Node):
    """Makes a folder for each claim. The real kubelet looks after the pods."""

    folder: Path = Path()

    def look(self) -> None:
        self.look_after_claims()

    def path(self, claim: Object) -> str:
        folder = self.folder / claim["metadata"]["uid"]
        folder.mkdir(parents=True, exist_ok=True)
        # kubelet gives no group the volumes of a host
        folder.chmod(0o777)
        return str(folder)

    def _reclaim(self, volume: Object) -> None:
        super()._reclaim(volume)
        if volume["status"].get("phase") == "Released":
            shutil.rmtree(volume["spec"]["hostPath"]["path"], ignore_errors=True)
