"""Reads the harvest with what a lab corrects and trains with, and holds it against what is promised of it.

ARENAD names the program (default target/release/arenad), WORK an empty folder, DISK a small file system (the full disk is skipped
without it). PYTHONPATH names the folder `models`.
"""
import os, signal, subprocess, time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from programs import check, verdict
from train import labels

ARENAD = os.environ.get("ARENAD", "target/release/arenad")
WORK = Path(os.environ["WORK"])
DISK = Path(os.environ["DISK"]) if "DISK" in os.environ else None
FRAMES = 100


def command(*words):
    return [ARENAD, "--log", "warn", *map(str, words)]


def replay(out, config):
    return command("replay", WORK / "film/video.mp4", "-o", out, "--config", config, "--harvest")


def configuration(frames_max):
    """Every frame is doubtful and each may be kept."""
    path = WORK / f"most-{frames_max}.toml"
    path.write_text(
        'arena = "a1"\n[camera]\nurl = "rtsp://10.0.0.20/stream"\n'
        f'[harvest]\nfolder = "x"\nframes_max = {frames_max}\nspacing_s = 0\nscore_min = 1\n'
    )
    return path


def hold(what, folder, most):
    """Reads every folder of a harvest and says how many frames it has."""
    frames = 0
    for day in sorted((folder / "labeled-data").iterdir()):
        table = pd.read_csv(day / "CollectedData_arenad.csv", header=[0, 1, 2, 3], index_col=[0, 1, 2])
        reasons = pd.read_csv(day / "harvest.csv", parse_dates=["captured"])
        read = labels.read([day])
        images = [key[2] for key in table.index]
        pictures = sorted(path.name for path in day.glob("*.png"))
        whole = all(np.asarray(Image.open(day / name)).shape == (480, 640, 3) for name in pictures)
        agree = sorted(images) == sorted(reasons["image"]) == pictures
        same = np.stack([still.points[still.state == labels.SEEN].sum() for still in read.stills]) if read.stills else []
        there = all(still.path.exists() and still.path.parent == day for still in read.stills)
        check(f"{what}: {day.name}: pictures, labels and reasons agree", agree and whole and there, f"{len(pictures)} frames")
        check(f"{what}: {day.name}: pandas and the training read the same", np.allclose(same, np.nansum(table.to_numpy(float), axis=1), rtol=1e-4))
        check(f"{what}: {day.name}: the names are the model's", list(table.columns.levels[1]) == sorted(read.identities) and
              set(table.columns.levels[2]) == set(read.keypoints) and table.columns.names == ["scorer", "individuals", "bodyparts", "coords"])
        frames += len(images)
    check(f"{what}: bounded", 0 < frames <= most, frames)
    return frames


subprocess.run(command("rehearse", "-o", WORK / "film", "--minutes", FRAMES / 600, "--fps", 10, "--seed", 5), check=True, stdout=subprocess.DEVNULL)

subprocess.run(replay(WORK / "all", configuration(1000)), check=True, stdout=subprocess.DEVNULL)
check("every frame is kept while there is room", hold("all", WORK / "all", 1000) == FRAMES)
subprocess.run(replay(WORK / "few", configuration(10)), check=True, stdout=subprocess.DEVNULL)
hold("few", WORK / "few", 10)
kept = sorted(int(path.stem[3:]) for path in (WORK / "few").rglob("*.png"))
check("what is kept is spread over the film", kept[0] < 25 and kept[-1] >= FRAMES - 25 and max(np.diff(kept)) <= 40, kept)

for attempt in range(10):
    process = subprocess.Popen(replay(WORK / "killed", configuration(20)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and not list((WORK / "killed").rglob("*.png")):
        time.sleep(0.01)
    time.sleep(0.037 * attempt)
    process.send_signal(signal.SIGKILL)
    process.wait()
subprocess.run(replay(WORK / "killed", configuration(20)), check=True, stdout=subprocess.DEVNULL)
hold("after ten kill -9", WORK / "killed", 20)
check("nothing half-written is left", not list((WORK / "killed").rglob("*.tmp")))

if DISK:
    (WORK / "full").mkdir()
    (WORK / "full/labeled-data").symlink_to(DISK)
    done = subprocess.run(replay(WORK / "full", configuration(1000)), capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "harvest" in line]
    check("a full disk does not end the replay", done.returncode == 0, done.stdout.splitlines()[1:3])
    check("it is told once per change of state", 1 <= len(said) <= 3 and "free some space" in said[0], said)
    hold("full disk", WORK / "full", 1000)
else:
    print("skip  the full disk: needs root and tmpfs")
verdict()
