"""Build hook: the project's links, made from the one constant that names its repository."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryLinks(MetadataHookInterface):
    """Fill `[project.urls]`; while there is no repository, leave it out."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the links to the project's metadata."""
        place = Path(self.root) / "agentloop_nb" / "_internal" / "repository.py"
        repository = runpy.run_path(str(place))["REPOSITORY"]
        if repository:
            home = f"https://github.com/{repository}"
            changes = f"{home}/blob/main/CHANGELOG.md"
            metadata["urls"] = {"Source": home, "Issues": f"{home}/issues", "Changelog": changes}
