"""`python docs/bench/trackers NAME=DIR …`: arenad's tracker beside others on the same recorded poses, as the tables of docs/trackers.md.

Each DIR holds poses.jsonl (`arenad replay --raw-poses`) and truth.csv (`arenad rehearse`). Every tracker gets the same poses, frame by
frame, and `arenad eval` judges them all. Track numbers are judged for IDF1, HOTA and MOTA; names, which the others have by the most
frequent likeliest name of a track's poses over the whole film (they may look ahead, arenad's live names may not), for the rest.
Then the same with names made unsure (70 % right a frame), and pairs of unmarked animals that cross (made here, from --seed).

Needs `pip install trackers 'filterpy<2' numba pyarrow tqdm` and `pip install --no-deps deeplabcut` (its filter is wrong with filterpy 2,
whose `kinematic_kf` observes the sum of all values). Times are of each tracker's step alone: the others' of the processor, arenad's of
the clock, as `arenad track` tells them.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from evidence import PARTS, crossings, read_poses, unsure, write_poses
from peers import peers, votes

COLUMNS = [
    "tracker",
    "IDF1 of tracks",
    "HOTA",
    "MOTA",
    "IDF1 of names",
    "HOTA",
    "identity accuracy",
    "right of all in view",
    "lasting swaps/h",
    "µs/frame",
    "p99",
]


def said(*command) -> str:
    """What a program prints; its own words where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(str(word) for word in command)}\n{done.stderr}")
    return done.stdout


def judged(options, truth_path: Path, found: Path) -> dict:
    """`arenad eval` of one result."""
    return json.loads(said(options.eval, "eval", "--truth", truth_path, "--poses", found, "--json"))


def written(path: Path, schema: pa.Schema, frames: list, tracks: list, named: list) -> Path:
    """Tracks and names as arenad writes its own: a table of the same columns, one row a pose with a track, one for an empty frame."""
    rows: dict = {name: [] for name in schema.names}
    parts = json.loads(schema.metadata[b"arenad.keypoints"])
    for frame, found, names in zip(frames, tracks, named):
        when = {"frame": frame["seq"], "captured": round(frame["time_s"] * 1e6), "captured_error_ms": 0.0}
        when["capture_clock"] = "recording"
        cells = []
        for pose, track in found.items():
            keypoints, (name, share) = frame["poses"][pose]["keypoints"], names.get(pose, (None, None))
            cell = {"state": "seen", "track": track, "identity": name, "p": share, "live_identity": name, "live_p": share}
            cell |= dict(zip("xy", frame["poses"][pose]["centre"]))
            for part, point in zip(parts, keypoints):
                # What arenad's own tracker leaves out by default.
                if point and point[2] >= 0.5:
                    cell |= dict(zip([f"{part}_x", f"{part}_y", f"{part}_score"], point)) | {f"{part}_seen": True}
            cells.append(cell)
        for cell in cells or [{"state": "unseen"}]:
            for name, column in rows.items():
                column.append((when | cell).get(name))
    arrays = [pa.array(rows[field.name], type=field.type) for field in schema]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="snappy")
    return path


def row(name: str, by_track: dict, by_name: dict, times: tuple) -> list:
    """One line of the table: tracks and names of one kind, as `arenad eval` judged them."""

    def percent(value) -> str:
        return "-" if value is None else f"{100 * value:.2f} %"

    tracks, names, swaps = by_track["tracking"], by_name["tracking"], by_name["lasting_swaps_per_hour"]
    shares = [tracks["idf1"], tracks["hota"], tracks["mota"], names["idf1"], names["hota"]]
    shares += [by_name["identity_accuracy"], by_name["strict_share"]]
    return [name, *[percent(share) for share in shares], "-" if swaps is None else f"{swaps:.1f}", *[f"{t:.1f}" for t in times]]


def arenad(options, poses: Path, out: Path, extra: list) -> tuple:
    """arenad's tracker: its files, and microseconds a frame (median, p99)."""
    words = said(options.arenad, "track", poses, "-o", out, *extra)
    times = re.search(r"([\d.]+) µs a frame at the median, ([\d.]+) at p99", words)
    return next(out.rglob("*.parquet")), (float(times[1]), float(times[2]))


def nameless(found: Path, out: Path) -> Path:
    """The same file without its names."""
    table = pq.read_table(found)
    for index, field in enumerate(table.schema):
        if field.name in ("identity", "live_identity"):
            table = table.set_column(index, field, pa.nulls(len(table), field.type))
    pq.write_table(table, out)
    return out


def compare(options, poses: Path, truth_path: Path, out: Path, extra: list) -> list:
    """The table's lines for one set of poses."""
    frames = read_poses(poses)
    own, times = arenad(options, poses, out / "arenad", extra)
    schema = pq.read_schema(own)
    names = json.loads(schema.metadata[b"arenad.identities"])
    by_track = judged(options, truth_path, nameless(own, out / "arenad-tracks.parquet"))["kinds"][0]
    lines = [row(f"arenad, {kind['kind']}", by_track, kind, times) for kind in judged(options, truth_path, own)["kinds"]]
    fps = (len(frames) - 1) / (frames[-1]["time_s"] - frames[0]["time_s"])
    for name, tracker in peers(fps, len(names)).items():
        tracks, micros = [], []
        for frame in frames:
            given = tracker.prepare(frame["poses"])
            began = time.thread_time()
            tracks.append(tracker.step(given))
            micros.append((time.thread_time() - began) * 1e6)
        folder = out / re.sub(r"\W+", "-", name)
        none = [{}] * len(frames)
        by_track = written(folder / "tracks.parquet", schema, frames, tracks, none)
        by_name = written(folder / "names.parquet", schema, frames, tracks, votes(frames, tracks, names))
        times = (float(np.median(micros)), float(np.quantile(micros, 0.99)))
        figures = [judged(options, truth_path, found)["kinds"][0] for found in (by_track, by_name)]
        lines.append(row(name, *figures, times))
    return lines


def table(title: str, lines: list) -> None:
    """Prints as Markdown."""
    print(f"\n{title}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)


def unnamed(options, poses: Path, out: Path) -> str:
    """What arenad says of animals that nothing tells apart, run with the four identities of its own model."""
    found, _ = arenad(options, poses, out, [])
    rows = pq.read_table(found, columns=["state", "identity", "p"]).to_pylist()
    seen = [one for one in rows if one["state"] == "seen"]
    named = [one for one in seen if one["identity"] is not None]
    most = max((one["p"] for one in seen), default=0.0)
    return f"Of {len(seen)} animals seen {len(named)} were given a name; the greatest probability of any was {most:.2f}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--arenad", type=Path, default=Path("target/release/arenad"))
    parser.add_argument("--eval", type=Path, help="an arenad that has `eval`, if that is another")
    parser.add_argument("--model", help="the model that the poses are of, if not the bundled one")
    parser.add_argument("--config", type=Path, help="a configuration with zones and the tracker's settings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="keeps every tracker's results in this folder")
    options = parser.parse_args()
    options.eval = options.eval or options.arenad
    extra = ["--model", options.model] if options.model else []
    extra += ["--config", options.config] if options.config else []
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        for name, folder in (one.split("=", 1) for one in options.sets):
            poses, truth_path = Path(folder) / "poses.jsonl", Path(folder) / "truth.csv"
            table(f"{name}: poses as they are", compare(options, poses, truth_path, out / name / "whole", extra))
            changed = out / name / "unsure.jsonl"
            write_poses(changed, unsure(read_poses(poses), truth_path, options.seed))
            table(f"{name}: 70 % of names right a frame", compare(options, changed, truth_path, out / name / "unsure", extra))
        made = out / "crossings"
        crossings(made, options.seed)
        parts = ["--keypoints", ",".join(PARTS)]
        lines = compare(options, made / "poses.jsonl", made / "truth.csv", made / "results", parts)
        table("two unmarked animals that meet", lines)
        print(f"\n{unnamed(options, made / 'poses.jsonl', made / 'named')}")
    packages = [f"{name} {version(name)}" for name in ("trackers", "supervision", "deeplabcut", "filterpy", "numpy")]
    print(f"\nPython {sys.version.split()[0]}, {', '.join(packages)}; seed {options.seed}")


if __name__ == "__main__":
    main()
