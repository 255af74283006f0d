"""Recipients for the benchmarks: as many made-up people as wanted, in the columns of examples/black-friday."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.system import ROOT

EXAMPLE = ROOT / "examples" / "black-friday"
_HEADER = "email,name,city,language,discount,favourite,points\n"
_GIVEN = ["Anneliese", "Zoë", "José", "Ελένη", "Łukasz", "Yuki", "Amina", "Søren"]
_FAMILY = ["Schäfer", "García", "Nowak", "Παπαδόπουλος", "Tanaka", "Diallo", "Nielsen", "O'Brien"]
_CITIES = ["München", "København", "Αθήνα", "Kraków", '"São Paulo, SP"', "Dakar"]
_FAVOURITES = ["running shoes", "espresso machine", "rain jacket", "headphones", "desk lamp", "tent"]


_PHONES = ("+49 151 {:07d}0", "0151/{:07d}0", "0049 151-{:07d}0")


def write(path: Path, count: int, *, phones: bool = False, domains: Sequence[str] = ("example.com",)) -> Path:
    """Write a CSV file, the same every time, unless it is there already.

    `phones` come in three ways of writing; people are at each of the `domains` in turn.
    """
    path = path.with_stem(f"{path.stem}-{count}")
    if not path.exists():
        chance = random.Random(20_261_122)  # noqa: S311 - reproducible, not secret
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(("phone," if phones else "") + _HEADER)
            file.writelines(
                (f"{_PHONES[number % 3].format(number)}," if phones else "")
                + _row(chance, number, domains[number % len(domains)])
                for number in range(count)
            )
        draft.replace(path)
    return path


def _row(chance: random.Random, number: int, domain: str) -> str:
    return (
        f"person.{number:07d}@{domain},{chance.choice(_GIVEN)} {chance.choice(_FAMILY)},{chance.choice(_CITIES)},"
        f"en,{chance.randrange(10, 55, 5)},{chance.choice(_FAVOURITES)},{chance.randrange(0, 5_000, 10)}\n"
    )
