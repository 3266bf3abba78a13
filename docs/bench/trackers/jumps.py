"""`python docs/bench/trackers/jumps.py TABLE.csv PARQUET --body FROM,TO`: implausible jumps in DeepLabCut's own tracks and in arenad's.

A jump is a move of more than X body lengths between two frames that follow each other, of one track: of its centre (the median place of
its keypoints) or of a keypoint. The body length is the median distance of two keypoints, FROM and TO. A track that ends and
another that begins hide a jump, and so does a keypoint that is left out, so tracks and keypoints are counted too. DeepLabCut's tracks
are shown whole, and without the keypoints below the likelihood that arenad leaves out.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from evidence import truth

LENGTHS = [0.1, 0.2, 0.3, 0.5, 1.0]
# Below this arenad leaves a keypoint out.
KEYPOINT_MIN = 0.5


def own(path: Path, least: float) -> dict:
    """The table's tracks: by individual, frame numbers and places [frames, parts, 2] of keypoints with at least this likelihood."""
    names, _, frames = truth(path)
    tracks = {}
    for index, name in enumerate(names):
        animals = {number: np.where(all[index, :, 2:] >= least, all[index, :, :2], np.nan) for number, all in frames.items()}
        numbers = sorted(number for number, animal in animals.items() if np.isfinite(animal).any())
        tracks[name] = np.array(numbers), np.array([animals[number] for number in numbers])
    return tracks


def arenads(path: Path) -> dict:
    """arenad's tracks: by number."""
    table = pq.read_table(path)
    parts = json.loads(table.schema.metadata[b"arenad.keypoints"])
    cells = [[table[f"{part}_{axis}"].to_numpy(zero_copy_only=False) for axis in "xy"] for part in parts]
    places = np.array(cells, dtype=float).transpose(2, 0, 1)
    seen = np.array(table["state"].to_pylist()) == "seen"
    numbers, frames = table["track"].to_numpy(zero_copy_only=False), table["frame"].to_numpy()
    return {number: (frames[seen & (numbers == number)], places[seen & (numbers == number)]) for number in np.unique(numbers[seen])}


def moves(tracks: dict, centres: bool) -> np.ndarray:
    """Moves of centres or keypoints between frames that follow each other, pixels."""
    found = []
    for frames, places in tracks.values():
        if centres:
            there = np.isfinite(places[:, :, 0]).any(axis=1)
            frames, places = frames[there], np.nanmedian(places[there], axis=1, keepdims=True)
        moved = np.linalg.norm(np.diff(places, axis=0), axis=2)[np.diff(frames) == 1]
        found.extend(moved[np.isfinite(moved)])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("parquet", type=Path)
    parser.add_argument("--body", required=True, metavar="FROM,TO")
    options = parser.parse_args()
    whole = own(options.table, 0.0)
    parts = truth(options.table)[1]
    first, last = (parts.index(name) for name in options.body.split(","))
    spans = [np.linalg.norm(places[:, first] - places[:, last], axis=1) for _, places in whole.values()]
    length = float(np.nanmedian(np.concatenate(spans)))
    sides = {"its own tracks": whole}
    sides[f"its own tracks, keypoints from {KEYPOINT_MIN} on"] = own(options.table, KEYPOINT_MIN)
    sides["`arenad track`"] = arenads(options.parquet)
    heads = ["", "tracks", "poses", "keypoints"]
    heads += [f"{what} > {x}" for what in ("centre", "keypoint") for x in LENGTHS]
    print(f"Body length {length:.1f} px.\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, tracks in sides.items():
        cells = [name, len(tracks), sum(len(frames) for frames, _ in tracks.values())]
        cells.append(sum(int(np.isfinite(places[:, :, 0]).sum()) for _, places in tracks.values()))
        for centres in (True, False):
            moved = moves(tracks, centres) / length
            cells += [int((moved > x).sum()) for x in LENGTHS]
        print(f"| {' | '.join(str(cell) for cell in cells)} |")


if __name__ == "__main__":
    main()
