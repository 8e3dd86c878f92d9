"""Undoing the encodings that code undoes itself."""

from __future__ import annotations

import base64
import binascii
import codecs
from urllib.parse import unquote


def decoded(name: str, last: str, text: str | None) -> str | None:
    """Undo an encoding that code undoes itself."""
    if not text:
        return None
    try:
        match last:
            case "b64decode" | "urlsafe_b64decode" | "standard_b64decode" | "decodebytes" | "a2b_base64":
                return base64.b64decode(
                    text + "=" * (-len(text) % 4), altchars=b"-_" if "url" in last else None
                ).decode()
            case "b32decode":
                return base64.b32decode(text).decode()
            case "fromhex" | "unhexlify" | "a2b_hex" | "b16decode":
                return bytes.fromhex(text).decode()
            case "unquote" | "unquote_plus":
                return unquote(text)
            case "decode" if name == "codecs.decode":
                return codecs.decode(text, "rot13")
            case _:
                return None
    except (ValueError, binascii.Error):
        return None
