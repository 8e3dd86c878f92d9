"""Azure OpenAI's own address: a deployment's, with the version of the API behind it, and the key in its own header."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from agentloop_nb.errors import UserError

KEY_HEADER = "api-key"
_VERSION = re.compile(r"\A[\w.-]{1,40}\Z")
_HOSTS = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")


def split(base_url: str) -> tuple[str, str]:
    """Take `?api-version=2024-10-21` off an address; an empty version where there is none. Raises `UserError`."""
    address, mark, query = base_url.partition("?")
    if "api-version" not in query:
        return base_url, ""
    told = parse_qs(query)
    version = told.pop("api-version", [""])[0]
    if not mark or told or not _VERSION.match(version):
        raise UserError(
            "an address of Azure is https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21"
        )
    return address, version


def join(address: str, version: str) -> str:
    """Put the version back behind an address."""
    return f"{address}?api-version={version}" if version else address


def is_azure(base_url: str) -> bool:
    """Whether a key goes into the header `api-key` there."""
    parts = urlsplit(base_url)
    return "api-version=" in parts.query or (parts.hostname or "").endswith(_HOSTS)


def deployment(base_url: str) -> str:
    """Return the deployment that an address names."""
    found = re.search(r"/deployments/([^/?]+)", base_url)
    return found[1] if found else ""
