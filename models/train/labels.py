"""Reads DeepLabCut folders, single-animal (three header rows) and multi-animal (four), into plain arrays."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

SEEN, COVERED, ABSENT = 1, 0, -1
# DeepLabCut's name for keypoints and animals that belong to nobody.
SINGLE = "single"


@dataclasses.dataclass
class Still:
    """One labelled picture. Points are (animal, keypoint, xy) in its pixels; `state` is SEEN, COVERED (place known) or ABSENT."""

    path: Path
    points: np.ndarray
    state: np.ndarray


@dataclasses.dataclass
class Labels:
    """All stills of some folders, which agree on their names."""

    keypoints: list[str]
    identities: list[str]
    stills: list[Still]


def read(folders: list[Path]) -> Labels:
    """Reads every `CollectedData*.csv` under the folders. `Visibility*.csv` beside one says which points are covered."""
    found: Labels | None = None
    for folder in folders:
        tables = sorted(Path(folder).rglob("CollectedData*.csv"))
        if not tables:
            raise SystemExit(f"{folder}: no CollectedData*.csv in it; give a folder of DeepLabCut labels")
        for table in tables:
            part = read_table(table)
            if found is None:
                found = part
            elif (part.keypoints, part.identities) != (found.keypoints, found.identities):
                raise SystemExit(
                    f"{table}: keypoints {part.keypoints} of {part.identities}; the tables before have {found.keypoints} of {found.identities}"
                )
            else:
                found.stills += part.stills
    assert found is not None
    return found


def read_table(table: Path) -> Labels:
    """Reads one table. Its pictures are looked for where their row says, from the table's folder upwards."""
    with open(table, newline="") as file:
        rows = list(csv.reader(file))
    multi = len(rows) > 3 and rows[1][0] == "individuals"
    heads = 4 if multi else 3
    # DeepLabCut writes the picture's path as one column or as three.
    first = next(i for i, word in enumerate(rows[heads - 1]) if word in ("x", "y"))
    names = rows[1][first::2] if multi else [SINGLE] * len(rows[1][first::2])
    parts = rows[heads - 2][first::2]
    keypoints, identities = list(dict.fromkeys(parts)), list(dict.fromkeys(names))
    place = [(identities.index(n), keypoints.index(p)) for n, p in zip(names, parts)]
    seen = read_visibility(table, place)
    stills = []
    for row in rows[heads:]:
        if not row:
            continue
        key = "/".join(word for word in row[:first] if word)
        points = np.zeros((len(identities), len(keypoints), 2), np.float32)
        state = np.full((len(identities), len(keypoints)), ABSENT, np.int8)
        flags = seen.get(key)
        for i, (animal, part) in enumerate(place):
            x, y = row[first + 2 * i], row[first + 2 * i + 1]
            if x and y and x.lower() != "nan":
                points[animal, part] = float(x), float(y)
                state[animal, part] = SEEN if flags is None else flags[animal, part]
        stills.append(Still(picture(table, key), points, state))
    return Labels(keypoints, [] if identities == [SINGLE] else identities, stills)


def read_visibility(table: Path, place: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """For each picture, SEEN or COVERED by (animal, keypoint); empty without the file."""
    path = table.with_name(table.name.replace("CollectedData", "Visibility"))
    if not path.exists():
        return {}
    shape = (max(a for a, _ in place) + 1, max(k for _, k in place) + 1)
    flags = {}
    with open(path, newline="") as file:
        for row in list(csv.reader(file))[4:]:
            one = np.full(shape, COVERED, np.int8)
            for at, word in zip(place, row[1:]):
                one[at] = SEEN if word == "1" else COVERED
            flags[row[0]] = one
    return flags


def picture(table: Path, key: str) -> Path:
    """The picture's file: under a folder above the table, else beside the table."""
    for above in table.parents[1:4]:
        if (above / key).exists():
            return above / key
    return table.parent / Path(key).name
