"""Reads the same films as `arenad eval` by itself, has TrackEval and py-motmetrics judge them, and compares every figure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import motmetrics
import numpy as np
import pandas
import pyarrow.parquet
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import CLEAR, HOTA, Identity

WORK, ARENAD = Path(os.environ["WORK"]), os.environ["ARENAD"]
NAMES = ["R", "G", "B", "Y"]
KEYPOINTS = ["nose", "L_ear", "R_ear", "L_flnk", "R_flnk", "cntr", "T_base", "T_mid", "T_end"]
# Along the body and across it, pixels, for an animal that looks to the right.
SHAPE = np.array([[30, 0], [20, 8], [20, -8], [0, 12], [0, -12], [0, 0], [-30, 0], [-50, 3], [-70, 0]], float)
SAME, EXACT = 0.5, 1e-6


def film(seed, frames=400):
    """Truth (frame, animal, keypoint, x y likelihood) of four that walk about, meet and hide."""
    dice = np.random.default_rng(seed)
    truth = np.full((frames, 4, 9, 3), np.nan)
    at, heading = dice.uniform(100, 300, (4, 2)), dice.uniform(0, 6.28, 4)
    hidden = np.zeros(4, int)
    for frame in range(frames):
        heading += dice.normal(0, 0.15, 4)
        at += 3 * np.c_[np.cos(heading), np.sin(heading)] + 0.02 * (200 - at)
        hidden = np.where((hidden == 0) & (dice.random(4) < 0.006), dice.integers(5, 70, 4), np.maximum(hidden - 1, 0))
        turn = np.stack([np.cos(heading), np.sin(heading), -np.sin(heading), np.cos(heading)], -1).reshape(4, 2, 2)
        truth[frame, :, :, :2] = at[:, None] + SHAPE @ turn
        covered = dice.random((4, 9)) < np.where(dice.random((4, 1)) < 0.1, 0.85, 0.1)
        truth[frame, :, :, 2] = ~covered
        truth[frame, hidden > 0] = np.nan
    return truth.round(2)


def found(truth, seed, swaps, misses, extra):
    """Poses of six names, of which the truth knows four: with noise, holes, names that swap, poses of nobody and of one twice."""
    dice = np.random.default_rng(seed)
    poses = np.full((len(truth), 6, 9, 3), np.nan)
    order = np.arange(6)
    for frame, animals in enumerate(truth):
        if dice.random() < swaps:
            a, b = dice.choice(6, 2, replace=False)
            order[[a, b]] = order[[b, a]]
        if dice.random() < 0.02:
            continue
        for animal, points in enumerate(animals):
            if dice.random() > misses and not np.isnan(points[0, 0]):
                shift = dice.normal(0, 1, 2) * dice.choice([1, 15], p=[0.9, 0.1])
                poses[frame, order[animal], :, :2] = points[:, :2] + dice.normal(0, 3, (9, 2)) + shift
        for name in np.flatnonzero(np.isnan(poses[frame, :, 0, 0]) & (dice.random(6) < extra)):
            like = animals[dice.integers(4), :, :2] + dice.normal(0, 25, 2)
            poses[frame, name, :, :2] = SHAPE + dice.uniform(0, 400, 2) if np.isnan(like).any() or dice.random() < 0.5 else like
        poses[frame, dice.random((6, 9)) < 0.15] = np.nan
        poses[frame, :, :, 2] = np.where(np.isnan(poses[frame, :, :, 0]), np.nan, 0.9)
    return poses.round(2)


def write(path, points, names):
    columns = pandas.MultiIndex.from_product(
        [["check"], names, KEYPOINTS, ["x", "y", "likelihood"]], names=["scorer", "individuals", "bodyparts", "coords"]
    )
    pandas.DataFrame(points.reshape(len(points), -1), columns=columns).to_csv(path)


def read_table(path):
    """Names, and points by frame and name."""
    table = pandas.read_csv(path, header=[0, 1, 2, 3], index_col=0, dtype=np.float32)
    names = list(dict.fromkeys(table.columns.get_level_values(1)))
    parts = list(dict.fromkeys(table.columns.get_level_values(2)))
    return names, parts, table.to_numpy(np.float32).astype(float).reshape(len(table), len(names), len(parts), 3)


def rows_of_table(path, truth_names):
    """By frame: pairs of predicted identity and points."""
    names, _, points = read_table(path)
    strange = not set(names) & set(truth_names)
    rows = [[(name, one) for name, one in zip(names, frame) if not np.isnan(one[:, :2]).all()] for frame in points]
    return rows, [] if strange else names


def rows_of_folder(folder, parts, frames, kind):
    """The same of recorded files; without a name the track counts."""
    rows = [[] for _ in range(frames)]
    names = set()
    for path in sorted(folder.rglob("*.parquet")):
        table = pyarrow.parquet.read_table(path).to_pandas()
        name = "live_identity" if kind == "live" and "live_identity" in table else "identity"
        for row in table[table.state == "seen"].to_dict("records"):
            points = np.array([[row[part + end] for end in ("_x", "_y", "_score")] for part in parts], np.float32).astype(float)
            who = row[name] if isinstance(row[name], str) else f"track {row['track']}"
            if not np.isnan(points[:, 0]).all():
                rows[row["frame"]].append((who, points))
                names |= {who} if isinstance(row[name], str) else set()
    return rows, sorted(names)


def similarity(truth, points, length):
    away = np.hypot(truth[:, 0] - points[:, 0], truth[:, 1] - points[:, 1])
    near = 1 - np.minimum(away[~np.isnan(away)] / length, 1)
    return near.sum() / max(len(near), np.nansum(truth[:, 2]) / 4) if len(near) else 0.0


def judge(truth_path, rows, named):
    """What the peers say, and the names by our own count."""
    names, parts, truth = read_table(truth_path)
    body = [not (part.lower().startswith("t_") or "tail" in part.lower()) or "base" in part.lower() for part in parts]
    seen = np.nansum(truth[..., 2], -1)
    known = (~np.isnan(truth[..., 0])).sum(-1)
    counts = (seen > 0) & (4 * seen >= known)
    spots = truth[counts][:, body, :2]
    ways = np.hypot(*np.moveaxis(spots[:, :, None] - spots[:, None], -1, 0)).reshape(len(spots), -1)
    longest = np.sort(np.nanmax(ways, -1))
    length = longest[len(longest) // 2]
    ids, data, events = {}, {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}, motmetrics.MOTAccumulator()
    right = wrong = visible = 0
    for frame, (animals, poses) in enumerate(zip(truth, rows)):
        asked, present = np.flatnonzero(counts[frame]), np.flatnonzero(known[frame] > 0)
        every = np.array([[similarity(animals[a], points, length) for _, points in poses] for a in present])
        every = every.reshape(len(present), len(poses))
        gated = np.where(every >= SAME, every + 0.1 * counts[frame, present][:, None], 0)
        fits = [(present[a], p) for a, p in zip(*linear_sum_assignment(-gated)) if gated[a, p] > 0]
        ignored = {p for a, p in fits if not counts[frame, a]}
        table = every[counts[frame, present]]
        visible += len(asked)
        for a, p in fits:
            if p not in ignored and poses[p][0] in named:
                hit = poses[p][0] == names[a]
                right, wrong = right + hit, wrong + (not hit)
        kept = [p for p in range(len(poses)) if p not in ignored]
        predicted = [ids.setdefault(poses[p][0], len(ids)) for p in kept]
        data["gt_ids"].append(asked)
        data["tracker_ids"].append(np.array(predicted, int))
        data["similarity_scores"].append(table[:, kept])
        away = np.where(table[:, kept] >= SAME, 1 - table[:, kept], np.nan)
        events.update(list(asked), predicted, away, frameid=frame)
    present = sorted({animal for frame in data["gt_ids"] for animal in frame})
    data["gt_ids"] = [np.array([present.index(animal) for animal in frame], int) for frame in data["gt_ids"]]
    data |= {
        "num_gt_ids": len(present),
        "num_tracker_ids": len(ids),
        "num_gt_dets": sum(map(len, data["gt_ids"])),
        "num_tracker_dets": sum(map(len, data["tracker_ids"])),
        "num_timesteps": len(truth),
    }
    config = {"PRINT_CONFIG": False}
    hota, clear, identity = HOTA().eval_sequence(data), CLEAR(config).eval_sequence(data), Identity(config).eval_sequence(data)
    peer = {
        "TrackEval hota": hota["HOTA"].mean(),
        "TrackEval det_a": hota["DetA"].mean(),
        "TrackEval ass_a": hota["AssA"].mean(),
        "TrackEval mota": clear["MOTA"],
        "TrackEval switches": clear["IDSW"],
        "TrackEval misses": clear["CLR_FN"],
        "TrackEval false_positives": clear["CLR_FP"],
    } | {f"TrackEval {name.lower()}": identity[name] for name in ("IDF1", "IDP", "IDR")}
    theirs = {
        "idf1": "idf1", "idp": "idp", "idr": "idr", "mota": "mota",
        "switches": "num_switches", "misses": "num_misses", "false_positives": "num_false_positives",
    }
    told = motmetrics.metrics.create().compute(events, metrics=list(theirs.values())).iloc[0]
    peer |= {f"motmetrics {ours}": told[name] for ours, name in theirs.items()}
    if right + wrong:
        peer |= {"own identity_accuracy": right / (right + wrong), "own coverage": (right + wrong) / visible}
    return peer


def check(title, truth_path, poses_path, rows_by_kind):
    said = subprocess.run([ARENAD, "eval", "--truth", truth_path, "--poses", poses_path, "--json"], capture_output=True, text=True)
    if said.returncode:
        print(f"FAILED  {title}: {said.stderr.strip()}")
        return False
    kinds, good = json.loads(said.stdout)["kinds"], True
    for ours in kinds:
        rows, named = rows_by_kind(ours["kind"])
        for name, theirs in judge(truth_path, rows, named).items():
            peer, key = name.split()
            got = (ours["tracking"]["carried"] if peer == "motmetrics" else {}).get(key, ours["tracking"].get(key, ours.get(key)))
            if got is None or abs(got - theirs) > EXACT:
                print(f"FAILED  {title}, {ours['kind']}: {name} is {theirs}, not {got}")
                good = False
        tracking = ours["tracking"]
        if good:
            figures = " ".join(f"{name} {tracking[name]:.4f}" for name in ("idf1", "hota", "mota"))
            print(f"ok      {title}, {ours['kind']}: {figures}, {tracking['switches']} switches")
    return good


def synthetic():
    cases = {"clean": (0, 0, 0), "swaps": (0.03, 0.02, 0), "gaps and misses": (0.01, 0.3, 0), "extra poses": (0.02, 0.1, 0.4)}
    for seed, (title, (swaps, misses, extra)) in enumerate(cases.items()):
        truth = film(seed)
        yield title, truth, found(truth, seed + 100, swaps, misses, extra), NAMES + ["V", "W"]
    yield "names of nobody", truth, found(truth, 7, 0.02, 0.1, 0.1), [f"animal{number}" for number in range(1, 7)]
    nothing = np.full((400, 6, 9, 3), np.nan)
    nothing[0, 0] = 999
    yield "hardly a pose", truth, nothing, NAMES + ["V", "W"]


good = True
for number, (title, truth, poses, names) in enumerate(synthetic()):
    truth_path, poses_path = WORK / f"truth{number}.csv", WORK / f"poses{number}.csv"
    write(truth_path, truth, NAMES)
    write(poses_path, poses, names)
    good &= check(title, truth_path, poses_path, lambda kind: rows_of_table(poses_path, NAMES))

film_folder, out = WORK / "film", WORK / "out"
subprocess.run([ARENAD, "--log", "warn", "rehearse", "-o", film_folder, "--seed", "5", "--minutes", "0.2"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([ARENAD, "--log", "warn", "replay", film_folder / "video.mp4", "-o", out], check=True, stdout=subprocess.DEVNULL)
names, parts, truth = read_table(film_folder / "truth.csv")
good &= check("a film's poses.csv", film_folder / "truth.csv", out / "poses.csv", lambda kind: rows_of_table(out / "poses.csv", names))
good &= check("a film's folder", film_folder / "truth.csv", out, lambda kind: rows_of_folder(out, parts, len(truth), kind))
sys.exit(0 if good else 1)
