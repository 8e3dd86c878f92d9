"""A secret that is taken apart by signs of any script, or put into base32 beside other text, is masked all the same."""

from __future__ import annotations

import base64
import re

import pytest

from agentloop_nb.safety.redaction import MASK, Masker

SECRET = "Tz9qLm4vXw8rKd2pYb6nabc"
MASKER = Masker([SECRET])
SIGNS = {
    "ideographic space": "\u3000",
    "ogham space": "\u1680",
    "arrow": "\u2192",
    "comma of Chinese": "\u3001",
    "wide comma": "\uff0c",
    "euro": "\u20ac",
    "variant": "\ufe0f",
    "filler": "\u3164",
    "tag": "\U000e0041",
    "emoji": "\U0001f600",
    "combining": "\u0301",
    "middle dot of Japanese": "\u30fb",
    "mathematics": "\u2211",
}


@pytest.mark.parametrize("name", SIGNS)
def test_signs_between_letters_hide_nothing(name: str) -> None:
    shown = MASKER.mask(f"it is {SIGNS[name].join(SECRET)}.")
    assert MASK in shown
    assert SECRET[:8] not in re.sub(r"[^A-Za-z0-9]", "", shown)


@pytest.mark.parametrize("before", ["", "k", "ke", "key", "key=", "a key: "])
@pytest.mark.parametrize("after", ["", "!", " and more"])
def test_base32_beside_other_text_hides_nothing(before: str, after: str) -> None:
    shown = MASKER.mask(base64.b32encode(f"{before}{SECRET}{after}".encode()).decode())
    assert MASK in shown


@pytest.mark.parametrize("text", ["Größe → 3,5 € 😀", "売上高、合計", "naïve ÷ café", "قائمة، البيانات"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert MASKER.mask(text) == text


LONG = "Zq7xK9c4Wm2Rt8Yb5Nd1Lf6Hg3Js0Pv"


@pytest.mark.parametrize(
    "shown",
    [
        f"… cut …] {LONG[6:]} and more",
        f"… cut …] {LONG[-16:]}",
        f"{LONG.encode().hex()[:40]}...",
        f"{base64.b64encode(LONG.encode()).decode()[:30]}...",
        f"{LONG[:20]}...",
    ],
)
def test_a_secret_of_which_a_long_part_was_cut_is_masked(shown: str) -> None:
    masked = Masker([LONG]).mask(shown)
    assert MASK in masked
    assert not re.search(r"[A-Za-z0-9]{12}", masked)
