"""Reads what arenad writes with the programs that a lab has, and holds it against what is promised of files.

ARENAD names the program (default target/release/arenad), WORK an empty folder, DISK a small file system (the full disk is skipped
without it).
"""
import csv, filecmp, json, os, signal, subprocess, time
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from programs import check, verdict

ARENAD = os.environ.get("ARENAD", "target/release/arenad")
WORK = Path(os.environ["WORK"])
DISK = Path(os.environ["DISK"]) if "DISK" in os.environ else None
# Most rows that the daemon holds while the disk takes none.
ROWS_HELD = 4096


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


def points_agree(poses, rows, names):
    """What poses.csv says and what the rows of seen animals say, cell by cell."""
    wrong = 0
    seen = rows[(rows.state == "seen") & rows.identity.notna()]
    scorer = poses.columns[0][0]
    for identity in names["identities"]:
        of_identity = seen[seen.identity == identity].set_index("frame")
        for keypoint in names["keypoints"]:
            for coord, ending, slack in (("x", "x", 0.0051), ("y", "y", 0.0051), ("likelihood", "score", 0.00051)):
                got = poses[(scorer, identity, keypoint, coord)].astype(float)
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

    poses = read_csv(out / "poses.csv")
    check("pandas reads the four header rows", list(poses.columns.names) == ["scorer", "individuals", "bodyparts", "coords"], poses.shape)
    check("pandas sees every frame of poses.csv", list(poses.index) == list(range(rows.frame.min(), rows.frame.max() + 1)), len(poses))
    with open(out / "poses.csv") as file:
        first, *others = list(csv.reader(file))[4:]
    words = {cell for row in others for cell in row if not cell.lstrip("-")[:1].isdigit()}
    check("a missing cell is empty", words <= {""}, words)
    check("the first row is not wholly empty", any(first[1:]), first[:4])
    wrong = points_agree(poses, rows, names)
    check("poses.csv says what the Parquet says", wrong == 0, f"{wrong} cells differ")
    truth = read_csv(film / "truth.csv")
    check("truth.csv has the columns of poses.csv", list(truth.columns) == list(poses.columns), truth.shape)
    check("truth.csv has a row for each frame of the film", len(truth) == 180, len(truth))

    arenad("export", out, "--to", "dlc-csv", "-o", WORK / "exported.csv")
    check("export gives the bytes of poses.csv", filecmp.cmp(WORK / "exported.csv", out / "poses.csv", shallow=False))
    hidden = ["hidden" if frame == 0 else state for frame, state in zip(rows.frame, rows.state)]
    table = pq.read_table(files[0])
    (WORK / "hidden").mkdir()
    pq.write_table(table.set_column(table.schema.get_field_index("state"), table.schema.field("state"), pa.array(hidden)), WORK / "hidden" / "1.parquet")
    arenad("export", WORK / "hidden", "--to", "dlc-csv", "-o", WORK / "hidden.csv")
    late = read_csv(WORK / "hidden.csv")
    check("pandas sees a first frame in which nobody is seen", late.index[0] == 0 and late.iloc[0].isna().all() and len(late) == len(poses), len(late))
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
        kept = len(first) >= len(before) and (first.frame.values[: len(before)] == before.frame.values).all()
        check("no row was lost", kept, f"{len(first)} of {len(before)} settled ones")
        check("what was not settled yet is there as it was live", len(first) > len(before) and holes(first) == [], holes(first)[:5])
        check("the second run has no hole", holes(found[max(found)]) == [])
    arenad("export", data, "--to", "dlc-csv", "-o", WORK / "both.csv")
    check("each run has its own CSV", (WORK / "both.csv").exists() and (WORK / "both-2.csv").exists())


def on_disk(data):
    """The rows of the stream that is open."""
    tables = [rows for rows in map(rows_of_stream, data.rglob("*.arrows")) if rows is not None]
    return pd.concat(tables, ignore_index=True) if tables else None


def full_disk(name, rows_missed):
    """Fills the disk until about so many rows could not be written, then makes room."""
    data, filler = DISK / name, DISK / "filler"
    process = demo(data, 600)

    def enough():
        rows = on_disk(data)
        span = (rows.captured.max() - rows.captured.min()).total_seconds() if rows is not None else 0
        return (rows, len(rows) / span) if span > 4 else None

    rows, rate = poll("rows are on the disk", enough, process=process)
    try:
        filler.write_bytes(bytes(os.statvfs(DISK).f_bavail * os.statvfs(DISK).f_frsize + 4096))
    except OSError:
        pass  # Full, as wanted.
    full = on_disk(data).captured.max()
    late = lambda: (pd.Timestamp.now("UTC") - full).total_seconds() > rows_missed / rate
    poll("time passes", late, limit=300, process=process)
    check("the daemon lives on with a full disk", process.poll() is None, f"{rate:.0f} rows/s")
    check("the disk was full", on_disk(data).captured.max() <= full + pd.Timedelta(seconds=2))
    filler.unlink()
    made_room = pd.Timestamp.now("UTC")
    poll("rows are written again", lambda: on_disk(data).captured.max() > made_room, process=process)
    process.send_signal(signal.SIGTERM)
    check("the daemon ends well", process.wait(60) == 0, process.returncode)
    found = runs(data)
    check("one run was written", len(found) == 1, list(found))
    rows = pd.concat(found.values())
    check("frame numbers have no hole after a full disk", holes(rows) == [], holes(rows)[:5])
    lost = int(rows[rows.gap_reason == "disk"].gap_frames.sum())
    if rows_missed < ROWS_HELD:
        check("a short outage loses nothing", lost == 0, f"{lost} frames")
    else:
        check("what the disk did not take is told as gaps", lost > 0, f"{lost} frames")


def full_disks():
    if DISK is None:
        print("skip  a full disk: mounting a tmpfs needs root")
        return
    full_disk("short", ROWS_HELD // 8)
    full_disk("long", ROWS_HELD * 5 // 4)


for part in (replayed, killed, full_disks):
    print(f"-- {part.__name__}", flush=True)
    part()
verdict()
