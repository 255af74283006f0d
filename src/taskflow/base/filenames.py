"""Names of files as people send them."""


def last_part(name: str | None) -> str | None:
    """Return the last part of a client's file name without what a terminal would choke on, or None."""
    if not name:
        return None
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable()).strip()[:255] or None
