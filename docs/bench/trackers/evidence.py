"""Makes poses for docs/bench/trackers: names made unsure, and pairs of animals that cross without any mark."""

import csv
import json
import math
from pathlib import Path

import numpy as np

# A pose is a true animal's when its keypoints lie this near on average, pixels: half a body.
NEAR_PX = 20.0
# Share of right names in each frame: drawn for each pose, and told honestly in its likelihoods.
SURE = (0.55, 0.85)


def truth(path: Path) -> tuple:
    """Individuals, body parts, and by frame number an array [individuals, body parts, (x, y, likelihood)], NaN where it is empty."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        heads = [next(rows) for _ in range(4)]
        individuals, parts = list(dict.fromkeys(heads[1][1:])), list(dict.fromkeys(heads[2][1:]))
        frames = {}
        for row in rows:
            values = np.array([float(cell) if cell else math.nan for cell in row[1:]])
            frames[int(row[0])] = values.reshape(len(individuals), len(parts), 3)
    return individuals, parts, frames


def whose(pose: dict, animals: np.ndarray):
    """Index of the animal that a pose is of."""
    given = np.array([point[:2] if point else [math.nan] * 2 for point in pose["keypoints"]])
    away = np.linalg.norm(animals[:, :, :2] - given, axis=2)
    known = np.isfinite(away).sum(axis=1) > 0
    means = np.where(known, np.nanmean(np.where(known[:, None], away, 0.0), axis=1), math.inf)
    best = int(np.argmin(means))
    return best if means[best] < NEAR_PX else None


def unsure(frames: list, truth_path: Path, seed: int) -> list:
    """The same poses, of whose most likely names 70 % are right in each frame, independently of each other.

    For each pose a share c is drawn evenly from 0.55 to 0.85. With probability c the most likely name is the true one, else one of the
    wrong ones, each as likely; it gets the likelihood c and the others share the rest, so that the likelihoods are honest. A pose
    that is nobody's favours any name.
    """
    dice = np.random.default_rng(seed)
    _, _, true = truth(truth_path)
    changed = []
    for frame in frames:
        animals = true.get(frame["seq"])
        poses = []
        for pose in frame["poses"]:
            names = len(pose["identity"])
            right = whose(pose, animals) if animals is not None else None
            sure = dice.uniform(*SURE)
            like = right if right is not None and dice.random() < sure else None
            if like is None:
                others = [index for index in range(names) if index != right]
                like = int(dice.choice(others))
            identity = [(1.0 - sure) / (names - 1)] * names
            identity[like] = sure
            # What single keypoints show of the coat would tell the name again.
            rest = {key: value for key, value in pose.items() if key != "coats"}
            poses.append({**rest, "identity": identity})
        changed.append({**frame, "poses": poses})
    return changed


# A mouse seen from above, heading right: nose, ears, flanks, centre, tail's base; along and across, pixels.
PARTS = {
    "nose": (25, 0),
    "L_ear": (17, -7),
    "R_ear": (17, 7),
    "L_flnk": (0, -10),
    "R_flnk": (0, 10),
    "cntr": (0, 0),
    "T_base": (-25, 0),
    "T_mid": (-45, 0),
    "T_end": (-65, 0),
}
FPS = 30
MEETINGS = 24
MEETING_S = 5.0
PAUSE_S = 2.0
# Of two bodies nearer than this the lower is mostly not seen, pixels.
COVERED_PX = 14.0


def path(dice, index: int) -> list:
    """Two animals that come from both sides, meet in the middle, and go on, turn back or go aside together: places by frame."""
    count = int(MEETING_S * FPS)
    middle = np.array([320.0, 240.0]) + dice.normal(0, 40, 2)
    angle, speed = dice.uniform(0, math.tau), dice.uniform(70, 160)
    kind = index % 3
    paths = []
    for side in (1.0, -1.0):
        # Straight in; straight on, back, or aside after they met, each with a bend of its own.
        into = side * np.array([math.cos(angle), math.sin(angle)])
        turn = {0: 0.0, 1: math.pi, 2: side * math.pi / 2}[kind] + dice.normal(0, 0.3)
        out = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ into
        offset = dice.normal(0, 6, 2)
        times = (np.arange(count) - count / 2) / FPS + dice.normal(0, 0.1)
        along = np.where(times[:, None] < 0, times[:, None] * into, times[:, None] * out) * speed
        # A bend of a fifth of a second takes the corner off.
        kernel = np.hanning(9) / np.hanning(9).sum()
        smooth = np.stack([np.convolve(np.pad(axis, 4, mode="edge"), kernel, "valid") for axis in along.T], axis=1)
        paths.append(middle + offset + smooth)
    return paths


def body(place: np.ndarray, heading: float) -> np.ndarray:
    """Keypoints of an animal, [parts, 2]."""
    turn = np.array([[math.cos(heading), -math.sin(heading)], [math.sin(heading), math.cos(heading)]])
    return place + np.array(list(PARTS.values())) @ turn.T


def crossings(folder: Path, seed: int) -> list:
    """Writes truth.csv and poses.jsonl of pairs that meet, a third each passing, turning back and going aside. No pose has a name.

    Each meeting has two animals of its own in the truth, and a pause before it that ends every track.
    """
    dice = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"m{meeting}{which}" for meeting in range(MEETINGS) for which in "ab"]
    frames, rows = [], []
    for meeting in range(MEETINGS):
        paths = path(dice, meeting)
        headings = [np.arctan2(*np.gradient(one, axis=0).T[::-1]) for one in paths]
        for step in range(len(paths[0])):
            bodies = [body(one[step], heading[step]) for one, heading in zip(paths, headings)]
            apart = np.linalg.norm(paths[0][step] - paths[1][step])
            cells = [""] * (len(names) * len(PARTS) * 3)
            poses = []
            for which, animal in enumerate(bodies):
                covered = which == 1 and apart < COVERED_PX and dice.random() < 0.9
                start = (2 * meeting + which) * len(PARTS) * 3
                for part, (x, y) in enumerate(animal):
                    cells[start + 3 * part : start + 3 * part + 3] = [f"{x:.2f}", f"{y:.2f}", str(int(not covered))]
                if not covered and dice.random() > 0.02:
                    poses.append(seen(dice, animal, noise=3.0 if apart < 2 * COVERED_PX else 1.5))
            dice.shuffle(poses)
            frames.append({"seq": len(frames), "time_s": len(frames) / FPS, "poses": poses})
            rows.append(cells)
        for _ in range(int(PAUSE_S * FPS)):
            frames.append({"seq": len(frames), "time_s": len(frames) / FPS, "poses": []})
            rows.append([""] * (len(names) * len(PARTS) * 3))
    write_truth(folder / "truth.csv", names, rows)
    write_poses(folder / "poses.jsonl", frames)
    return frames


def seen(dice, animal: np.ndarray, noise: float) -> dict:
    """A pose as an imperfect observer has it."""
    given = animal + dice.normal(0, noise, animal.shape)
    keypoints = [None if dice.random() < 0.05 else [float(x), float(y), 0.9] for x, y in given]
    centre = [float(value) for value in given[5]]
    return {"keypoints": keypoints, "identity": [], "score": float(dice.uniform(0.6, 0.95)), "centre": centre}


def write_truth(path: Path, names: list, rows: list) -> None:
    """DeepLabCut's multi-animal layout."""
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        columns = [(name, part, coord) for name in names for part in PARTS for coord in ("x", "y", "likelihood")]
        out.writerow(["scorer"] + ["made"] * len(columns))
        for index, head in enumerate(["individuals", "bodyparts", "coords"]):
            out.writerow([head] + [column[index] for column in columns])
        out.writerows([number, *cells] for number, cells in enumerate(rows))


def read_poses(path: Path) -> list:
    """The frames of recorded poses; lines that tell gaps are left out."""
    with path.open() as file:
        lines = (json.loads(line) for line in file if line.strip())
        return [line for line in lines if "seq" in line]


def write_poses(path: Path, frames: list) -> None:
    """One JSON object a line."""
    with path.open("w") as file:
        file.writelines(json.dumps(frame, separators=(",", ":")) + "\n" for frame in frames)
