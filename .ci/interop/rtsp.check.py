#!/usr/bin/python3
"""Plays real RTSP servers to the probe and checks what it says. Started by rtsp.sh: rtsp.check.py PROBE FOLDER"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBE, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
failures = []


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


class Server:
    """A server process; killed at the end of its block."""

    def __init__(self, port, *options, command=None):
        self.port = port
        self.command = command or ["/usr/bin/python3", str(HERE / "rtsp.camera.py"), "--port", str(port), *options]
        self.ready = command is None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if self.ready:
            assert self.process.stdout.readline().strip() == "ready", "the camera did not start"
        else:
            wait_for_port(self.port)
        return self

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def wait_for_port(port):
    for _ in range(100):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on port {port}")


class Probe:
    """The probe running; its lines so far are in `lines`, each with the time at which it was read."""

    def __init__(self, url, *options):
        self.process = subprocess.Popen([str(PROBE), url, *options], stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), json.loads(line)))

    def of(self, what):
        return [line for _, line in list(self.lines) if line["what"] == what]

    def wait_for(self, what, after, limit):
        """When the first line `what` after the time `after` came; None if none came in time."""
        while time.monotonic() < after + limit:
            for at, line in list(self.lines):
                if at >= after and line["what"] == what:
                    return at - after
            time.sleep(0.02)
        return None

    def finish(self, limit=40):
        code = self.process.wait(limit)
        self.reader.join()
        return code

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def check(name, good, details=""):
    print(f"{'ok  ' if good else 'FAIL'} {name} {details}", flush=True)
    if not good:
        failures.append(name)


def plays(name, port, *options, path="cam", units=60, keys=True):
    probe = Probe(f"rtsp://127.0.0.1:{port}/{path}", "--units", str(units), "--seconds", "30", *options)
    probe.finish()
    got = probe.of("unit")
    counters = probe.of("end")[0]["counters"]
    numbers = [unit["frame"] for unit in got] == list(range(units))
    good = numbers and counters["packets_lost"] == 0 and (not keys or any(unit["key"] for unit in got))
    check(name, good, f"{len(got)} units, {counters['stream_errors']} errors, {counters['packets_lost']} lost")
    return got


def codecs_and_transports():
    for codec in ("h264", "h265", "mjpeg"):
        with Server(free_port(), "--codec", codec) as server:
            for transport in ("tcp", "udp"):
                plays(f"gst {codec} {transport}", server.port, "--transport", transport)


def logins():
    right, wrong = FOLDER / "right", FOLDER / "wrong"
    right.write_text("s3cret:x\n")
    wrong.write_text("other\n")
    for auth in ("digest", "basic"):
        login = ("--user", "cam", "--password", "s3cret:x", "--auth", auth)
        with Server(free_port(), *login) as server:
            plays(f"gst {auth} login", server.port, "--user", "cam", "--password-file", str(right), units=10)
            url = f"rtsp://127.0.0.1:{server.port}/cam"
            for name, options, words in (
                ("wrong password", ("--user", "cam", "--password-file", str(wrong)), "login refused (401)"),
                ("no password", (), "asks for a login (401)"),
            ):
                probe = Probe(url, *options)
                code = probe.finish()
                error = probe.of("retrying")[0]["error"]
                check(f"gst {auth} {name}", code == 2 and words in error and "other" not in error, error)


def b_pictures():
    with Server(free_port(), "--b-pictures", "2") as server:
        got = plays("gst h264 with B-pictures", server.port, units=150)
        times = [unit["presentation"] for unit in got]
        back = sum(later < earlier for earlier, later in zip(times, times[1:]))
        check("B-pictures keep their own times", back > 20 and len(set(times)) == len(times), f"{back} of 150 go back")


def capture_times():
    with Server(free_port()) as server:
        got = plays("gst h264 for 10 s", server.port, units=250)
        reported = [unit for unit in got if unit["clock"] == "SenderReport"]
        ages = sorted(unit["age_ms"] for unit in reported)
        good = len(reported) > 50 and ages[0] > -5 and ages[len(ages) // 2] < 50
        details = f"{len(reported)} by reports, age {ages[0]:.1f} to {ages[-1]:.1f} ms" if ages else "no report"
        check("sender reports give the capture time", good, details)


def faults():
    port = free_port()
    for transport in ("tcp", "udp"):
        probe = Probe(f"rtsp://127.0.0.1:{port}/cam", "--transport", transport, "--seconds", "120")

        def recovers(name, began, detected_within):
            seen = probe.wait_for("retrying", began, detected_within)
            back = probe.wait_for("live", began, 15)
            told = f"seen after {seen:.2f} s" if seen is not None else "not seen"
            told += f", back after {back:.2f} s" if back is not None else ", not back"
            check(f"{name} over {transport}", seen is not None and back is not None and back < 10, told)

        with Server(port) as server:
            time.sleep(3)
            began = time.monotonic()
            server.tell("kick")
            recovers("a kick", began, 1)
            began = time.monotonic()
            server.tell("stall")
            threading.Timer(4, server.tell, ["resume"]).start()
            recovers("a stall", began, 3.5)
            time.sleep(1)
            began = time.monotonic()
            server.tell("end")
            recovers("an end of stream", began, 3.5)
            time.sleep(1)
            began = time.monotonic()
            server.process.send_signal(signal.SIGSTOP)
            threading.Timer(5, server.process.send_signal, [signal.SIGCONT]).start()
            recovers("a frozen server", began, 3.5)
            time.sleep(1)
            began = time.monotonic()
        with Server(port):
            recovers("a server killed and restarted", began, 1)
        probe.stop()
        numbers = [unit["frame"] for unit in probe.of("unit")]
        check(f"numbers go on over {transport}", numbers == list(range(len(numbers))), f"{len(numbers)} units")


def vlc():
    """UDP only, no parameter sets in its description, joins in the middle of a group of pictures."""
    if not shutil.which("vlc"):
        return print("skip VLC: it is not installed", flush=True)
    clip = FOLDER / "clip.mp4"
    make = "ffmpeg -v error -y -f lavfi -i testsrc2=size=320x240:rate=25 -t 30 -pix_fmt yuv420p -c:v libx264 -g 25 -bf 0"
    subprocess.run([*make.split(), str(clip)], check=True)
    port = free_port()
    sout = f"#rtp{{sdp=rtsp://127.0.0.1:{port}/cam}}"
    # It refuses to run as root.
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    home = FOLDER / "vlc"
    home.mkdir(exist_ok=True)
    for folder in (FOLDER, home):
        folder.chmod(0o777)
    player = ["vlc", "-I", "dummy", "--no-audio", str(clip), "--loop", "--sout", sout, "--sout-keep"]
    with Server(port, command=[*nobody, "env", f"HOME={home}", *player]):
        plays("VLC, which wants UDP and is asked for TCP first", port)
        probe = Probe(f"rtsp://127.0.0.1:{port}/cam", "--transport", "tcp")
        check("VLC refuses TCP in words", probe.finish() == 2 and "461" in probe.of("retrying")[0]["error"])


def live555():
    """live555MediaServer from a newer Debian, in a folder of its own: RTSP_LIVE555 names it."""
    root = os.environ.get("RTSP_LIVE555")
    if not root:
        return print("skip live555: RTSP_LIVE555 names no folder with it (see rtsp.sh)", flush=True)
    media = Path(root, "media")
    media.mkdir(exist_ok=True)
    make = "ffmpeg -v error -y -f lavfi -i testsrc2=size=320x240:rate=25 -t 20 -pix_fmt yuv420p -c:v libx264 -g 25 -bf 0"
    subprocess.run([*make.split(), "-f", "h264", str(media / "clip.264")], check=True)
    # It takes no options: port 554, or 8554 when that is taken.
    with Server(554, command=["chroot", root, "sh", "-c", "cd /media && exec live555MediaServer"]) as server:
        plays("live555 h264 tcp", server.port, "--transport", "tcp", path="clip.264")


for step in (codecs_and_transports, logins, b_pictures, capture_times, faults, vlc, live555):
    step()
if failures:
    sys.exit(f"{len(failures)} failed: {', '.join(failures)}")
print("all good")
