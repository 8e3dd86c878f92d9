"""One output of the running cell that is replaced as things go on."""

from __future__ import annotations

import uuid
from typing import Any


class CellDisplay:
    """An output with an id of its own in the cell that ran when it was made."""

    def __init__(self, shell: Any, prefix: str) -> None:
        self._shell = shell
        self.id = f"{prefix}-{uuid.uuid4().hex[:12]}"

    def publish(self, bundle: dict[str, Any], *, update: bool = False) -> None:
        """Show a bundle of MIME types, in the place of the one before with `update`."""
        publisher = self._shell.display_pub
        publisher.publish(data=bundle, metadata={}, transient={"display_id": self.id}, update=update)
