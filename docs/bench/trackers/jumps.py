"""`python docs/bench/trackers/jumps.py TABLE.csv PARQUET`: how often the centre of a track jumps, in DeepLabCut's own tracks and in arenad's.

A centre is the median place of a pose's keypoints. A jump is a move of more than X body lengths between two frames that follow each other,
of one track; the body length is the median, over all poses, of the greatest distance between two keypoints. A track that ends and
another that begins hide a jump, so that tracks and poses are counted too, and jumps across pauses of up to a second beside them: from
where a track ended to where the next one of the same column of the table, or the nearest new track, begins.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from evidence import truth

LENGTHS = [0.5, 1.0, 1.5, 2.0, 3.0]


def own(path: Path) -> tuple:
    """The table's tracks: by individual, frame numbers and places [frames, parts, 2]."""
    names, _, frames = truth(path)
    tracks = {}
    for index, name in enumerate(names):
        seen = {n: animals[index, :, :2] for n, animals in frames.items() if np.isfinite(animals[index]).any()}
        tracks[name] = (np.array(sorted(seen)), np.array([seen[n] for n in sorted(seen)]))
    return tracks


def arenads(path: Path) -> tuple:
    """arenad's tracks: by number."""
    table = pq.read_table(path)
    parts = json.loads(table.schema.metadata[b"arenad.keypoints"])
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names if name[-2:] in ("_x", "_y")}
    seen = np.array(table["state"].to_pylist()) == "seen"
    numbers, frames = table["track"].to_numpy(zero_copy_only=False), table["frame"].to_numpy()
    places = np.stack([[columns[f"{part}_{axis}"] for axis in "xy"] for part in parts], axis=0).transpose(2, 0, 1)
    return {n: (frames[seen & (numbers == n)], places[seen & (numbers == n)]) for n in np.unique(numbers[seen])}


def centres(places: np.ndarray) -> np.ndarray:
    """Median place of each pose."""
    return np.nanmedian(places.astype(float), axis=1)


def body_length(tracks: dict) -> float:
    """Median greatest distance between two keypoints of a pose, pixels."""
    spans = []
    for _, places in tracks.values():
        places = places.astype(float)
        apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=3)
        spans.extend(np.nanmax(apart.reshape(len(places), -1), axis=1))
    return float(np.median(spans))


def steps(tracks: dict, length: float) -> np.ndarray:
    """Moves between frames that follow each other, body lengths."""
    moves = []
    for frames, places in tracks.values():
        moved = np.linalg.norm(np.diff(centres(places), axis=0), axis=1)
        moves.extend(moved[np.diff(frames) == 1] / length)
    return np.array(moves)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("parquet", type=Path)
    options = parser.parse_args()
    sides = {"its own tracks": own(options.table), "arenad track": arenads(options.parquet)}
    length = body_length(sides["its own tracks"])
    heads = ["", "poses in tracks", "tracks", "median length, frames", *[f"jumps over {x}" for x in LENGTHS]]
    print(f"body length {length:.1f} px\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, tracks in sides.items():
        moved = steps(tracks, length)
        lengths = [len(frames) for frames, _ in tracks.values()]
        cells = [name, sum(lengths), len(lengths), round(float(np.median(lengths)))]
        cells += [int((moved > x).sum()) for x in LENGTHS]
        print(f"| {' | '.join(str(cell) for cell in cells)} |")


if __name__ == "__main__":
    main()
