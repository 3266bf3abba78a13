"""Names by single pictures: the network's head alone, the coats' colour alone, and both as `arenad` fuses them.

python docs/bench/coats.py OUT [--arenad PROGRAM] [--seed 9551] [--stills 500] [-- REPLAY OPTIONS]

Renders hard stills, replays them three times and holds the likelihoods of `poses.jsonl` against the truth. Needs numpy. In the first replay
the bundled model has no coats, in the second they have other names, so that the network's are not heard, in the third both speak.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
from train.labels import SEEN, read  # noqa: E402

MODEL = ROOT / "models" / "socialbox"
# A pose further off than this on average is not the animal's; animals nearer than this are in contact. Pixels.
MATCH_PX = 40.0
NEAR_PX = 40.0


def said(args: argparse.Namespace, *words) -> None:
    """Runs the program."""
    subprocess.run([args.arenad, "--log", "error", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def replayed(args: argparse.Namespace, pictures: Path, name: str, *words) -> list[list[dict]]:
    """The poses of each picture."""
    out = Path(args.out) / name
    shutil.rmtree(out, ignore_errors=True)
    said(args, "replay", pictures, "-o", out, "--raw-poses", *words, *args.replay)
    return [json.loads(line)["poses"] for line in open(out / "poses.jsonl")]


def places(pose: dict) -> np.ndarray:
    """Keypoints (K, 2), NaN where missing."""
    return np.array([point[:2] if point else [np.nan] * 2 for point in pose["keypoints"]])


def pairs(still, poses: list[dict]) -> list[tuple[int, int]]:
    """Animals and poses, nearest first, each at most once; an animal counts with a quarter of its keypoints in view."""
    found = []
    for animal, (points, state) in enumerate(zip(still.points, still.state)):
        seen = state == SEEN
        if seen.sum() * 4 < len(seen):
            continue
        for index, pose in enumerate(poses):
            away = np.hypot(*(places(pose)[seen] - points[seen]).T)
            found.append((np.where(np.isnan(away), 1.5 * MATCH_PX, away).mean(), animal, index))
    taken: list[tuple[int, int]] = []
    for away, animal, index in sorted(found):
        if away <= MATCH_PX and all(animal != a and index != p for a, p in taken):
            taken.append((animal, index))
    return taken


def told(name: str, likely: np.ndarray, true: np.ndarray) -> None:
    """One row of the table."""
    shares = likely / likely.sum(1, keepdims=True)
    best, right = shares.max(1), shares.argmax(1) == true
    bins = np.minimum((best * 15).astype(int), 14)
    error = sum(abs(right[bins == b].sum() - best[bins == b].sum()) for b in range(15)) / len(true)
    loss = -np.log(np.maximum(shares[np.arange(len(true)), true], 1e-9)).mean()
    print(f"| {name} | {len(true)} | {100 * right.mean():.2f} % | {error:.4f} | {loss:.4f} |")


def main() -> None:
    """Renders, replays, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--arenad", default="target/release/arenad")
    parser.add_argument("--seed", type=int, default=9551)
    parser.add_argument("--stills", type=int, default=500)
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:split])
    args.replay = words[split + 1 :]
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "stills").exists():
        said(args, "rehearse", "--stills", args.stills, "--seed", args.seed, "-o", out / "stills")
    labels = read([str(out / "stills")])
    pictures = out / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    for number, still in enumerate(labels.stills):
        shutil.copy(still.path, pictures / f"{number:05}{Path(still.path).suffix}")
    bare = out / "bare"
    shutil.rmtree(bare, ignore_errors=True)
    shutil.copytree(MODEL, bare, ignore=shutil.ignore_patterns("coats.toml"))
    others = out / "others.toml"
    coats = (MODEL / "coats.toml").read_text().split("[[pair]]")[0]
    others.write_text(re.sub(r'^name = "', 'name = "x', coats, flags=re.M))
    heads = replayed(args, pictures, "head", "--model", bare)
    paints = replayed(args, pictures, "paint", "--model", bare, "--coats", others)
    fused = replayed(args, pictures, "fused")
    rows = []
    for number, still in enumerate(labels.stills):
        centres = np.array([pose["centre"] for pose in heads[number]]).reshape(-1, 2)
        for animal, index in pairs(still, heads[number]):
            if animal < len(labels.identities):
                away = np.hypot(*(np.delete(centres, index, 0) - centres[index]).T)
                looks = [poses[number][index]["identity"] for poses in (heads, paints, fused)]
                rows.append((animal, bool((away < NEAR_PX).any()), looks))
    true = np.array([row[0] for row in rows])
    near = np.array([row[1] for row in rows])
    likely = np.array([row[2] for row in rows])
    print("| names by | pictures | right | calibration error | log-loss |\n|---|---|---|---|---|")
    for which, name in enumerate(("the network alone", "the paint alone", "both")):
        told(name, likely[:, which], true)
        told(f"{name}, animals in contact", likely[near, which], true[near])


if __name__ == "__main__":
    main()
