"""Text as a screen shows it: what is no visible character is shown as its escape."""

# Python calls these printable, and no screen shows anything in their place.
_UNSEEN = frozenset(
    map(
        chr,
        (
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            0x180B,
            0x180C,
            0x180D,
            0x180F,
            0x2800,
            0x3164,
            0xFFA0,
        ),
    )
) | {chr(point) for part in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for point in part}


def clean(text: str, keep: str = "") -> str:
    """The text with escapes for what is no visible character: controls, ANSI, marks of direction,
    zero-width characters.

    >>> print(clean("shop" + chr(0x1B) + "[2J" + chr(0x202E)))
    shop\\x1b[2J\\u202e
    """
    if is_visible(text):
        return text
    return "".join(
        c if c in keep or is_visible(c) else c.encode("unicode_escape").decode() for c in text
    )


def is_visible(text: str) -> bool:
    """Returns True if every character of a text is one that a screen shows."""
    return text.isprintable() and (text.isascii() or _UNSEEN.isdisjoint(text))
