"""Make recipients.csv out of names.json: 10,000 made-up people, and some rows as bad as in real life, always the same.

All addresses are in domains that are reserved for examples (RFC 2606); nobody can ever be written to.
"""

import csv
import json
import random
from pathlib import Path
from typing import Any

PEOPLE = 10_000
REFUSED = 12
DEFERRED = 60
HEADER = ["email", "name", "city", "language", "discount", "favourite", "points"]
DOMAINS = ["example.com", "example.org", "example.net", "mail.example.com", "mail.example.org", "post.example.net"]
FAVOURITES = ["running shoes", "espresso machine", "rain jacket", "headphones", "desk lamp", "cast-iron pan", "tent"]

PLACE = Path(__file__).parent


def person(chance: random.Random, number: int, cultures: dict[str, Any]) -> list[str]:
    """Return a row; the number in the address keeps it unique."""
    language = chance.choice(list(cultures))
    culture = cultures[language]
    given, given_latin = chance.choice(list(culture["given"].items()))
    family, family_latin = chance.choice(list(culture["family"].items()))
    return [
        f"{given_latin}.{family_latin}.{number:05d}@{chance.choice(DOMAINS)}",
        culture["order"].replace("given", given).replace("family", family),
        chance.choice(culture["cities"]),
        language,
        str(chance.randrange(10, 55, 5)),
        chance.choice(FAVOURITES),
        chance.choice(["", str(chance.randrange(10, 5_000, 10))]),  # an empty cell is a missing value: see the template
    ]


def bad_rows(people: list[list[str]]) -> list[list[str]]:
    """Return rows that an import must reject, each for a reason of its own; duplicates are of the first people."""
    good = ["Ada Lovelace", "London", "en", "20", "tent", "100"]
    addresses = [
        "", "no-at-sign.example.com", "two@@example.com", "@example.com", "nobody@", "space in@example.com",
        "dot..dot@example.org", ".first@example.org", "brackets<b>@example.org", "host@-bad-.example.net",
        "control\x07bell@example.net", "long-" + "x" * 70 + "@example.net",
    ]  # fmt: skip
    duplicates = [person[:] for person in people[:6]]
    duplicates[4][0] = duplicates[4][0].replace("example", "EXAMPLE")
    duplicates[5][1] = "Somebody Else"
    return [
        *([address, *good] for address in addresses),
        *duplicates,
        ["missing-columns@example.com", "Ada Lovelace", "London"],
        ["only-an-address@example.com"],
        ["one-too-many@example.com", *good, "what is this?"],
        ["unquoted-comma@example.com", "Lovelace", *good],
        ["null-byte@example.com", "Ada\x00Lovelace", *good[1:]],
        ["escape@example.com", "\x1b[31mAda", *good[1:]],
        ["vertical-tab@example.com", "Ada", "Lon\x0bdon", *good[2:]],
    ]


def main() -> None:
    """Write the file next to this program."""
    chance = random.Random(20_261_127)  # noqa: S311  # reproducible, not secret
    cultures = json.loads((PLACE / "names.json").read_text(encoding="utf-8"))
    people = [person(chance, number, cultures) for number in range(1, PEOPLE + 1)]
    special = chance.sample(range(500, PEOPLE), REFUSED + DEFERRED)
    for count, place in enumerate(special[:REFUSED], 1):
        people[place][0] = f"gone-{count:02d}@refused.example.com"
    for count, place in enumerate(special[REFUSED:], 1):
        people[place][0] = f"busy-{count:02d}@greylist.example.net"
    rows = people[:]
    for row in bad_rows(people):
        rows.insert(chance.randrange(1_000, len(rows)), row)
    with (PLACE / "recipients.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
