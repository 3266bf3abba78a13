"""`python docs/bench/trackers/from_deeplabcut.py FILE.csv -o POSES.jsonl`: DeepLabCut's multi-animal table as poses for `arenad track`.

The table's own tracks are thrown away: what is left is a set of poses a frame, without names. It prints the names of the keypoints, which
`arenad track --keypoints` asks for.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from evidence import truth, write_poses


def poses(animals: np.ndarray) -> list:
    """The poses of one frame, the surest first, [individuals, parts, (x, y, likelihood)] in."""
    found = []
    for animal in animals:
        there = np.isfinite(animal).all(axis=1)
        if there.any():
            keypoints = [[round(float(value), 3) for value in part] if here else None for part, here in zip(animal, there)]
            found.append({"keypoints": keypoints, "score": round(float(animal[there, 2].mean()), 4)})
    return sorted(found, key=lambda pose: -pose["score"])[:8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--fps", type=float, default=30.0)
    options = parser.parse_args()
    _, parts, frames = truth(options.table)
    lines = [{"seq": n, "time_s": round(n / options.fps, 9), "poses": poses(animals)} for n, animals in sorted(frames.items())]
    write_poses(options.out, lines)
    print(",".join(parts))


if __name__ == "__main__":
    main()
