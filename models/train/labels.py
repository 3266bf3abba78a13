"""Reads DeepLabCut folders, single-animal (three header rows) and multi-animal (four), into plain arrays."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

SEEN, COVERED, ABSENT = 1, 0, -1
# Nobody looked for this keypoint: the table does not have it.
UNASKED = -2
# DeepLabCut's name for keypoints and animals that belong to nobody.
SINGLE = "single"
# Animals whose name starts so are mice without a coat of their own: found, but named by nothing.
UNMARKED = "unmarked"


@dataclasses.dataclass
class Still:
    """One labelled picture. Points are (animal, keypoint, xy) in its pixels; `state` is SEEN, COVERED (place known), ABSENT or
    UNASKED. The animals that have identities come first, in the order of the identities."""

    path: Path
    points: np.ndarray
    state: np.ndarray


@dataclasses.dataclass
class Labels:
    """Stills under one set of names. `weights`: how often each is to be drawn, of sum 1."""

    keypoints: list[str]
    identities: list[str]
    stills: list[Still]
    weights: np.ndarray

    def part(self, indices: list[int]) -> "Labels":
        """Some of the stills."""
        weights = self.weights[indices]
        return Labels(self.keypoints, self.identities, [self.stills[index] for index in indices], weights / weights.sum())


def read(folders: list[str | Path], keypoints: list[str] | None = None, identities: list[str] | None = None) -> Labels:
    """Reads every `CollectedData*.csv` under the folders; `FOLDER=SHARE` draws that share of all crops from it, others go by their size.

    `Visibility*.csv` beside a table says which points are covered. The first folder's names hold for all, or those given; a
    table may have them in another order or lack some (keypoints that it lacks are left open), but may have no others.
    """
    stills, counts, shares = [], [], []
    for word in map(str, folders):
        folder, share = split_share(word)
        tables = sorted(folder.rglob("CollectedData*.csv"))
        if not tables:
            raise SystemExit(f"{folder}: no CollectedData*.csv in it; give a folder of DeepLabCut labels")
        mine = []
        for table in tables:
            part = read_table(table)
            keypoints, identities = keypoints or part.keypoints, part.identities if identities is None else identities
            mine += under_names(table, part, keypoints, identities)
        stills += mine
        counts.append(len(mine))
        shares.append(share)
    return Labels(keypoints, identities, stills, balanced(counts, shares))


def joined(first: Labels, second: Labels, share: float) -> Labels:
    """Both; `share` of all crops come from the second. Their names are the same."""
    weights = np.concatenate([first.weights * (1 - share), second.weights * share])
    return Labels(first.keypoints, first.identities, first.stills + second.stills, weights)


def split_share(word: str) -> tuple[Path, float | None]:
    """`FOLDER=0.3` as folder and share."""
    folder, _, share = word.rpartition("=")
    try:
        value = float(share)
    except ValueError:
        return Path(word), None
    if not folder or not 0 < value < 1:
        raise SystemExit(f"--labels {word}: got the share {share}; allowed: FOLDER=SHARE with a share between 0 and 1")
    return Path(folder), value


def balanced(counts: list[int], shares: list[float | None]) -> np.ndarray:
    """How often each still is drawn, of sum 1: folders of so many stills with a share get it, the others divide the rest by their size."""
    told = sum(share for share in shares if share is not None)
    rest = sum(count for count, share in zip(counts, shares) if share is None)
    if told >= 1 and rest:
        raise SystemExit(f"--labels: the shares sum to {told}; allowed: below 1 where other folders have none")
    scale = (1 - told) / rest if rest else 0
    weights = np.repeat([scale if share is None else share / count for count, share in zip(counts, shares)], counts)
    return weights / weights.sum()


def under_names(table: Path, part: Labels, keypoints: list[str], identities: list[str]) -> list[Still]:
    """The stills of one table with animals and keypoints in the order of the names that hold for all."""
    if strange := [name for name in part.keypoints if name not in keypoints]:
        raise SystemExit(f"{table}: has the keypoints {', '.join(strange)}; allowed: {keypoints}")
    # Where nobody has an identity, every animal is one without.
    if strange := [name for name in part.identities if identities and name not in identities]:
        raise SystemExit(f"{table}: has the animals {', '.join(strange)}; allowed: {identities} or animals named {UNMARKED}…")
    order = [identities.index(name) for name in part.identities if name in identities]
    stills = []
    for still in part.stills:
        extra = len(still.state) - len(order)
        shape = (len(identities) + extra, len(keypoints))
        points, state = np.zeros((*shape, 2), np.float32), np.full(shape, ABSENT, np.int8)
        rows = order + list(range(len(identities), shape[0]))
        columns = [keypoints.index(name) for name in part.keypoints]
        points[np.ix_(rows, columns)] = still.points
        state[np.ix_(rows, columns)] = still.state
        open_columns = [k for k, name in enumerate(keypoints) if name not in part.keypoints]
        state[:, open_columns] = UNASKED
        stills.append(Still(still.path, points, state))
    return stills


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
    animals = sorted(dict.fromkeys(names), key=is_unmarked)
    keypoints, identities = list(dict.fromkeys(parts)), [name for name in animals if not is_unmarked(name)]
    place = [(animals.index(n), keypoints.index(p)) for n, p in zip(names, parts)]
    seen = read_visibility(table, place)
    stills = []
    for row in rows[heads:]:
        if not row:
            continue
        key = "/".join(word for word in row[:first] if word)
        points = np.zeros((len(animals), len(keypoints), 2), np.float32)
        state = np.full((len(animals), len(keypoints)), ABSENT, np.int8)
        flags = seen.get(key)
        for i, (animal, part) in enumerate(place):
            x, y = row[first + 2 * i], row[first + 2 * i + 1]
            if x and y and x.lower() != "nan":
                points[animal, part] = float(x), float(y)
                state[animal, part] = SEEN if flags is None else flags[animal, part]
        stills.append(Still(picture(table, key), points, state))
    return Labels(keypoints, identities, stills, np.ones(len(stills)))


def is_unmarked(name: str) -> bool:
    """Whether an individual's name says that it has no identity."""
    return name == SINGLE or name.startswith(UNMARKED)


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
