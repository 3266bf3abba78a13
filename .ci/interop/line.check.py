"""Runs `arenad run` on real RTSP streams and holds what a consumer and the files say against each other.

ARENAD names the program (default target/release/arenad), WORK an empty folder. A slow machine may shed frames: what is checked is that
every frame is a scene or told as a gap, never how many scenes there are.
"""
import glob, json, os, re, signal, socket, subprocess, threading, time
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
from programs import check, failures, finish, free_port, start, verdict

HERE = Path(__file__).resolve().parent
ARENAD = os.environ.get("ARENAD", "target/release/arenad")
WORK = Path(os.environ["WORK"])


def films():
    """One film of each codec, played as it is; the H.264 one is two minutes long and has B-frames."""
    subprocess.run([ARENAD, "rehearse", "-o", WORK / "film", "--minutes", "0.3"], check=True, capture_output=True)
    made = {}
    for codec, loops, options in (
        ("h264", 9, "libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 30 -profile:v main"),
        ("h265", 1, "libx265 -preset ultrafast -x265-params log-level=none:keyint=30"),
        ("mjpeg", 1, "mjpeg -q:v 4 -huffman default -pix_fmt yuvj420p"),
    ):
        made[codec] = WORK / f"{codec}.mp4"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-stream_loop", str(loops), "-i", str(WORK / "film" / "video.mp4")]
        subprocess.run([*command, "-c:v", *options.split(), str(made[codec])], check=True)
    return made


class Camera:
    def __init__(self, port, codec, film):
        command = ["/usr/bin/python3", HERE / "rtsp.camera.py", "--port", port, "--codec", codec, "--film", film]
        self.process = start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline().strip() == "ready", "the camera did not start"

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Consumer:
    """mosquitto_sub; `messages` holds (when, leaf, payload)."""

    def __init__(self, port, arena):
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", f"arenad/{arena}/#", "-F", "%t %p"]
        self.process = start(*command, stdout=subprocess.PIPE, text=True)
        self.messages = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            topic, payload = line.rstrip("\n").split(" ", 1)
            self.messages.append((time.monotonic(), topic.rsplit("/", 1)[1], json.loads(payload)))

    def of(self, leaf):
        return [payload for _, kind, payload in list(self.messages) if kind == leaf]

    def wait(self, leaf, after, limit, fits=lambda payload: True):
        """How long after the time `after` the first fitting message came; None if none came in time."""
        while time.monotonic() < after + limit:
            for at, kind, payload in list(self.messages):
                if at >= after and kind == leaf and fits(payload):
                    return at - after
            time.sleep(0.02)
        return None

    def more_scenes(self, count, limit=120):
        end, wanted = time.monotonic() + limit, len(self.of("scene")) + count
        while time.monotonic() < end and len(self.of("scene")) < wanted:
            time.sleep(0.05)
        return len(self.of("scene")) >= wanted


def config(arena, rtsp, mqtt):
    file = WORK / f"{arena}.toml"
    file.write_text(
        f'arena = "{arena}"\n[camera]\nurl = "rtsp://127.0.0.1:{rtsp}/cam"\n[mqtt]\nhost = "127.0.0.1"\nport = {mqtt}\n'
        f'[files]\nfolder = "{WORK}/data"\n[web]\nlisten = "127.0.0.1:0"\n'
    )
    return file


def daemon(arena, rtsp, mqtt):
    return start(ARENAD, "run", config(arena, rtsp, mqtt), stdout=open(WORK / f"{arena}.log", "w"), stderr=subprocess.STDOUT)


def lost(scene):
    return scene["kind"] == "camera" and scene["state"] == "retrying"


def faults(consumer, camera, port, film):
    """A camera that falls silent, and one that is killed and started again."""
    began = time.monotonic()
    camera.tell("stall")
    seen = consumer.wait("event", began, 15, lost)
    check("h264: a stall is noticed within 3 s", seen is not None and seen < 3.3, seen and f"{seen:.2f} s")
    resumed = time.monotonic()
    camera.tell("resume")
    back = consumer.wait("scene", resumed, 30)
    check("h264: scenes within 10 s of the stall's end", back is not None and back < 10, back and f"{back:.2f} s")
    consumer.more_scenes(30)
    began = time.monotonic()
    camera.kill()
    seen = consumer.wait("event", began, 15, lost)
    check("h264: a killed camera is noticed within 3 s", seen is not None and seen < 3, seen and f"{seen:.2f} s")
    camera = Camera(port, "h264", film)
    restarted = time.monotonic()
    back = consumer.wait("scene", restarted, 30)
    check("h264: scenes within 10 s of the camera's restart", back is not None and back < 10, back and f"{back:.2f} s")
    return camera


def step(a, b):
    """Milliseconds from one scene's capture to the other's."""
    one, other = (datetime.fromisoformat(scene["captured"].replace("Z", "+00:00")) for scene in (a, b))
    return (other - one).total_seconds() * 1e3


def scenes_add_up(codec, consumer, faults):
    scenes = consumer.of("scene")
    pairs = list(zip(scenes, scenes[1:]))
    check(f"{codec}: frame numbers rise", all(a["frame"] < b["frame"] for a, b in pairs), f"{len(scenes)} scenes")
    untold = sum(b["frame"] - a["frame"] - 1 - b["skipped"] for a, b in pairs)
    check(f"{codec}: what is missing between scenes is told by skipped", untold == 0, f"{sum(b['skipped'] for _, b in pairs)} skipped")
    gaps = {n for event in consumer.of("event") if event["kind"] == "gap" for n in range(event["first"], event["last"] + 1)}
    numbers = {scene["frame"] for scene in scenes}
    missing = set(range(min(numbers), max(numbers) + 1)) - numbers - gaps if numbers else {0}
    check(f"{codec}: each frame is a scene or in an event gap", not missing and not numbers & gaps, f"{len(missing)} neither")
    back = [(a, b) for a, b in pairs if b["captured"] <= a["captured"]]
    # Until the first sender report the mapping rests on arrivals and is corrected as quicker packets come; with B-frames the order of
    # display mixes units from before and after a correction.
    seen = [f"{a['capture_clock']} to {b['capture_clock']}: {step(a, b):.1f} ms" for a, b in back]
    print(f"note  {codec}: capture times that step back while a connection's clock settles: {seen}")
    reported = [(a, b) for a, b in back if a["capture_clock"] == b["capture_clock"] == "sender-report"]
    check(f"{codec}: capture times by sender reports rise but after a reconnection", len(reported) <= faults, len(reported))
    return numbers


def files_add_up(arena, codec, numbers):
    pattern = f"{WORK}/data/{arena}/*/*.parquet"
    rows = pd.concat([pd.read_parquet(file) for file in sorted(glob.glob(pattern))])
    in_files = set(rows[rows.state != "gap"].frame)
    check(f"{codec}: pandas finds every scene in the files", numbers <= in_files, f"{len(rows)} rows, {len(in_files)} frames")
    check(f"{codec}: the files begin with frame 0", rows.frame.min() == 0, rows.frame.min())
    words = re.search(r"```sql\n(WITH runs.*?)```", Path("docs/files.md").read_text(), re.S).group(1)
    holes = duckdb.sql(words.replace("data/a1/*/*.parquet", pattern)).fetchall()
    check(f"{codec}: DuckDB finds no hole", holes == [], holes[:3])
    check(f"{codec}: no stream is left open", not glob.glob(f"{WORK}/data/{arena}/*/*.arrows"))


def line(codec, film, mqtt, scenes, with_faults=False):
    arena, rtsp = f"line-{codec}", free_port()
    camera, consumer = Camera(rtsp, codec, film), Consumer(mqtt, arena)
    process = daemon(arena, rtsp, mqtt)
    check(f"{codec}: scenes come", consumer.more_scenes(scenes), f"{len(consumer.of('scene'))} scenes")
    if with_faults:
        camera = faults(consumer, camera, rtsp, film)
        check(f"{codec}: scenes go on", consumer.more_scenes(60))
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    check(f"{codec}: SIGTERM ends it with 0", code == 0, code)
    camera.kill()
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(mqtt), "-t", f"arenad/{arena}/status", "-C", "1", "-W", "5"]
    kept = subprocess.run(command, capture_output=True, text=True).stdout
    state = json.loads(kept)["state"] if kept else None
    check(f"{codec}: the retained status is stopped", state == "stopped", state)
    numbers = scenes_add_up(codec, consumer, 2 if with_faults else 0)
    files_add_up(arena, codec, numbers)
    consumer.process.kill()


def main():
    made = films()
    mqtt = free_port()
    start("mosquitto", "-p", mqtt, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", mqtt)) == 0:
                break
        time.sleep(0.05)
    line("h264", made["h264"], mqtt, 90, with_faults=True)
    for codec in ("h265", "mjpeg"):
        line(codec, made[codec], mqtt, 60)


try:
    main()
finally:
    finish()
    if failures:
        for log in WORK.glob("*.log"):
            print(f"-- {log.name}\n{log.read_text()[-3000:]}")
verdict()
