"""Reads what arenad writes with the programs that a lab has, and holds it against what is promised of files.

ARENAD names the program (default target/release/arenad), WORK an empty folder, DISK a small file system (the full disk is skipped
without it).
"""
import filecmp, json, os, subprocess, sys, time
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ARENAD = os.environ.get("ARENAD", "target/release/arenad")
WORK = Path(os.environ["WORK"])
failures = []


def check(what, holds, seen=""):
    print(("ok    " if holds else "FAIL  ") + what + (f"  [{seen}]" if seen != "" else ""), flush=True)
    if not holds:
        failures.append(what)


def arenad(*words):
    done = subprocess.run([ARENAD, *map(str, words)], text=True, capture_output=True)
    if done.returncode:
        print(done.stdout + done.stderr)
    check(f"arenad {words[0]} ends well", done.returncode == 0, f"exit code {done.returncode}")
    return done


def demo(data, seconds):
    command = [ARENAD, "demo", "--seconds", str(seconds), "--data", str(data), "--mqtt-port", "0", "--web-port", "0"]
    log = open(WORK / f"demo-{time.monotonic_ns()}.log", "w")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def poll(what, holds, limit=90, process=None):
    end = time.monotonic() + limit
    while time.monotonic() < end and (process is None or process.poll() is None):
        value = holds()
        if value:
            return value
        time.sleep(0.05)
    check(what, False, f"not within {limit} s")
    return None


def parquets(folder):
    return sorted(folder.rglob("*.parquet"), key=lambda path: (path.parent.name, path.stem))


def rows_of_stream(path):
    """The whole batches of a stream, open or torn."""
    batches = []
    try:
        with pa.OSFile(str(path)) as file:
            for batch in pa.ipc.open_stream(file):
                batches.append(batch)
    except (pa.ArrowInvalid, OSError, EOFError):
        pass
    return pa.Table.from_batches(batches).to_pandas() if batches else None


def runs(folder):
    """The rows of each run of the daemon."""
    found = {}
    for path in parquets(folder):
        run = pq.read_schema(path).metadata[b"arenad.run"].decode()
        found.setdefault(run, []).append(pd.read_parquet(path))
    return {run: pd.concat(parts, ignore_index=True) for run, parts in found.items()}


def holes(rows):
    """Frame numbers that are neither a scene's nor a gap's."""
    gaps = rows[rows.state == "gap"]
    told = set(rows[rows.state != "gap"].frame)
    for first, frames in zip(gaps.frame, gaps.gap_frames):
        told.update(range(int(first), int(first) + int(frames)))
    return sorted(set(range(min(told), max(told) + 1)) - told) if told else []


def points_agree(csv, rows, names):
    """What poses.csv says and what the rows of seen animals say, cell by cell."""
    wrong = 0
    seen = rows[(rows.state == "seen") & rows.identity.notna()]
    scorer = csv.columns[0][0]
    for identity in names["identities"]:
        of_identity = seen[seen.identity == identity].set_index("frame")
        for keypoint in names["keypoints"]:
            for coord, ending, slack in (("x", "x", 0.0051), ("y", "y", 0.0051), ("likelihood", "score", 0.00051)):
                got = csv[(scorer, identity, keypoint, coord)].astype(float)
                expected = of_identity[f"{keypoint}_{ending}"].reindex(got.index).astype(float)
                wrong += int((got.isna() != expected.isna()).sum() + ((got - expected).abs() > slack).sum())
    return wrong


def read_csv(path):
    return pd.read_csv(path, header=[0, 1, 2, 3], index_col=0)


def replayed():
    film, out = WORK / "film", WORK / "film" / "out"
    arenad("rehearse", "-o", film, "--minutes", "0.1", "--seed", "3")
    arenad("replay", film / "video.mp4", "-o", out)
    files = parquets(out)
    check("replay writes Parquet", len(files) == 1, [str(path.relative_to(out)) for path in files])
    rows = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    told = {key.decode(): value.decode() for key, value in pq.read_schema(files[0]).metadata.items()}
    names = {key: json.loads(told[f"arenad.{key}"]) for key in ("keypoints", "identities", "skeleton", "colours", "zones")}
    check("the file says its model, keypoints and identities", told["arenad.model"] and len(names["identities"]) == 4, names["identities"])
    check("pandas reads captured as UTC", str(rows.captured.dtype) in ("datetime64[us, UTC]", "datetime64[ns, UTC]"), rows.captured.dtype)
    check("frame numbers have no hole", holes(rows) == [], holes(rows)[:5])
    animals = rows[rows.identity.notna()]
    check("each identity stands at most once a frame", not animals.duplicated(["frame", "identity"]).any())

    places = [f"{keypoint}_{part}" for keypoint in names["keypoints"] for part in ("x", "y", "score")]
    table = pa.concat_tables(pq.read_table(path) for path in files)
    nan = sum(int(pa.compute.sum(pa.compute.is_nan(table[name])).as_py() or 0) for name in places + ["x", "y", "p"])
    check("what is missing is null, never NaN", nan == 0, f"{nan} NaN")
    glob = str(out / "**" / "*.parquet")
    unseen = " or ".join(f'"{name}" is not null' for name in places)
    query = f"select count(*) from read_parquet('{glob}') where state in ('hidden', 'unseen', 'gap') and ({unseen})"
    check("DuckDB: who is not seen or predicted has no points", duckdb.sql(query).fetchall() == [(0,)])
    count = duckdb.sql(f"select count(*), count(distinct frame) from read_parquet('{glob}')").fetchall()[0]
    check("DuckDB and pandas count the same", count == (len(rows), rows.frame.nunique()), count)
    some = sum(int(rows[name].notna().sum()) for name in places)
    check("there are points at all", some > 0, some)

    csv = read_csv(out / "poses.csv")
    check("pandas reads the four header rows", list(csv.columns.names) == ["scorer", "individuals", "bodyparts", "coords"], csv.shape)
    check("poses.csv has a row for every frame", list(csv.index) == list(range(csv.index[0], csv.index[-1] + 1)), len(csv))
    wrong = points_agree(csv, rows, names)
    check("poses.csv says what the Parquet says", wrong == 0, f"{wrong} cells differ")
    truth = read_csv(film / "truth.csv")
    check("truth.csv has the columns of poses.csv", list(truth.columns) == list(csv.columns), truth.shape)
    check("truth.csv has a row for each frame of the film", len(truth) == 180, len(truth))

    arenad("export", out, "--to", "dlc-csv", "-o", WORK / "exported.csv")
    check("export gives the bytes of poses.csv", filecmp.cmp(WORK / "exported.csv", out / "poses.csv", shallow=False))
    again = subprocess.run([ARENAD, "export", out, "--to", "dlc-csv", "-o", WORK / "exported.csv"], capture_output=True, text=True)
    check("export does not write over a file", again.returncode == 2 and "--force" in again.stderr, again.stderr.strip())


def killed():
    data = WORK / "killed"
    process = demo(data, 60)

    def written():
        found = [rows_of_stream(path) for path in data.rglob("*.arrows")]
        return next((rows for rows in found if rows is not None and rows.frame.nunique() > 40), None) is not None

    poll("rows are on the disk while the file is open", written, process=process)
    process.kill()
    process.wait()
    left = list(data.rglob("*.arrows"))
    check("kill -9 leaves one stream", len(left) == 1, [path.name for path in left])
    before = rows_of_stream(left[0]) if left else None
    check("pyarrow reads what is left", before is not None and len(before) > 0, 0 if before is None else len(before))
    if before is None:
        return
    check("what is left has no hole", holes(before) == [])
    arenad("export", data, "--to", "dlc-csv", "-o", WORK / "left.csv")
    check("export reads a stream", len(read_csv(WORK / "left.csv")) == before.frame.max() - before.frame.min() + 1)

    process = demo(data, 8)
    check("the next start ends well", process.wait(120) == 0)
    check("the next start made Parquet of the stream", not list(data.rglob("*.arrows")))
    found = runs(data)
    check("two runs are told apart", len(found) == 2, list(found))
    if len(found) == 2:
        first = found[min(found)]
        check("no row was lost", len(first) == len(before) and (first.frame.values == before.frame.values).all(), len(first))
        check("the second run has no hole", holes(found[max(found)]) == [])
    arenad("export", data, "--to", "dlc-csv", "-o", WORK / "both.csv")
    check("each run has its own CSV", (WORK / "both.csv").exists() and (WORK / "both-2.csv").exists())


def full_disk():
    if "DISK" not in os.environ:
        print("skip  a full disk: mounting a tmpfs needs root")
        return
    disk = Path(os.environ["DISK"])
    free = lambda: os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler = disk / "filler"
    filler.write_bytes(bytes(free() - 160 * 1024))
    process = demo(disk / "data", 60)
    poll("the disk fills", lambda: free() < 8192, process=process)
    full_since = time.monotonic()
    poll("the daemon lives on with a full disk", lambda: time.monotonic() - full_since > 3, process=process)
    filler.unlink()
    check("the daemon ends well", process.wait(150) == 0, process.returncode)
    found = runs(disk / "data")
    check("one run was written", len(found) == 1, list(found))
    for rows in found.values():
        lost = rows[rows.gap_reason == "disk"]
        check("what the disk did not take is told as gaps", len(lost) > 0, f"{int(lost.gap_frames.sum())} frames")
        check("frame numbers have no hole after a full disk", holes(rows) == [], holes(rows)[:5])
        check("rows were written after the disk had room again", rows.frame.max() > lost.frame.max())


for part in (replayed, killed, full_disk):
    print(f"-- {part.__name__}", flush=True)
    part()
print(f"{len(failures)} failed" if failures else "all well")
sys.exit(bool(failures))
