"""Runs arenad's TensorRT engine on the stand-in library: what an operator sees of a build, of the cache and of two arenas, and what the shim costs.

ARENAD, CAMERA and OVERHEAD name the programs (built with the feature tensorrt), MAJOR the stand-in's version, WORK the folder that holds it
(standin/), the bare loop (bare) and the library that counts allocations (mallocs.so).
"""
import json, os, re, signal, socket, statistics, subprocess, threading, time
from pathlib import Path

from programs import check, finish, free_port, start, verdict

ARENAD, CAMERA, OVERHEAD = (os.environ[name] for name in ("ARENAD", "CAMERA", "OVERHEAD"))
WORK, MAJOR = Path(os.environ["WORK"]), os.environ["MAJOR"]
LIBRARIES = WORK / "standin"


RTSP, MQTT = free_port(), free_port()


class Broker:
    """mosquitto and one who hears all: (time, topic's last word, message)."""

    def __init__(self):
        (WORK / "mosquitto.conf").write_text(f"listener {MQTT} 127.0.0.1\nallow_anonymous true\n")
        start("mosquitto", "-c", WORK / "mosquitto.conf", stderr=subprocess.DEVNULL)
        self.heard = []
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", MQTT)) == 0:
                    break
            time.sleep(0.05)
        self.listener = start("mosquitto_sub", "-p", MQTT, "-t", "arenad/#", "-v", stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.listener.stdout:
            topic, message = line.split(" ", 1)
            _, arena, leaf = topic.split("/", 2)
            self.heard.append((time.monotonic(), arena, leaf, json.loads(message)))

    def statuses(self, arena):
        return [message for _, who, leaf, message in self.heard if (who, leaf) == (arena, "status")]

    def first(self, arena, leaf, after):
        return next((at for at, who, what, _ in list(self.heard) if (who, what) == (arena, leaf) and at >= after), None)


class Daemon:
    """arenad run of one arena, with what it tells systemd and its log, each with its time."""

    def __init__(self, arena, cache, extra="", step_ms=0, **environment):
        self.arena, self.lines, self.told = arena, [], []
        file = WORK / f"{arena}.toml"
        file.write_text(
            f'arena = "{arena}"\n[camera]\nurl = "rtsp://127.0.0.1:{RTSP}/live"\n[model]\nengine = "tensorrt"\n'
            f'tensorrt_folder = "{LIBRARIES}"\nengine_cache = "{cache}"\n{extra}[mqtt]\nhost = "127.0.0.1"\nport = {MQTT}\n'
        )
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = WORK / f"{arena}.notify"
        address.unlink(missing_ok=True)
        self.systemd.bind(str(address))
        threading.Thread(target=self.hear, daemon=True).start()
        environment |= {"LD_LIBRARY_PATH": str(LIBRARIES), "NOTIFY_SOCKET": str(address), "STANDIN_STEP_MS": str(step_ms)}
        self.began = time.monotonic()
        self.process = start(ARENAD, "run", file, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), re.sub("\x1b\\[[0-9;]*m", "", line.rstrip())))

    def hear(self):
        while True:
            self.told.append(self.systemd.recv(4096).decode())

    def log(self):
        return "\n".join(line for _, line in list(self.lines))

    def waits(self, words, limit=60):
        """When these words came in the log."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            found = next((at for at, line in list(self.lines) if words in line), None)
            if found is not None:
                return found
            if self.process.poll() is not None and not self.reader.is_alive():
                return None
            time.sleep(0.02)
        return None

    def end(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(20)
        self.reader.join(5)
        self.systemd.close()
        return code


def a_build_is_told(broker):
    cache = WORK / "cache"
    daemon = Daemon("slow", cache, step_ms=50)
    scene = daemon.waits("first scene")
    daemon.end()
    check("a build ends in a first scene", scene is not None, daemon.log()[-500:] if scene is None else "")
    percent = lambda texts: [int(found[1]) for text in texts if (found := re.search(r"building the engine of \w+: .*, (\d+) %", text))]
    statuses = broker.statuses("slow")
    opening = [status for status in statuses if status["state"] == "opening"]
    heard = percent(status["detail"] for status in opening)
    check("MQTT hears how far the build is", len(heard) >= 5 and heard == sorted(heard) and heard[-1] >= 80, heard)
    check("... with no engine yet", all(status["engine"] is None for status in opening))
    states = [state for n, state in enumerate(s["state"] for s in statuses) if n == 0 or statuses[n - 1]["state"] != state]
    check("opening, starting, live, stopped", states == ["opening", "starting", "live", "stopped"], states)
    live = next((status for status in statuses if status["state"] == "live"), {})
    check("then the engine is named", (live.get("engine"), live.get("precision")) == ("tensorrt", "int8"), live.get("engine"))
    before = daemon.told[: next((n for n, text in enumerate(daemon.told) if "READY=1" in text), None)]
    told = percent(before)
    check("systemd's STATUS= says the same", len(told) >= 5 and told[-1] >= 80, told)
    check("... and each gives more time", all("EXTEND_TIMEOUT_USEC=" in text for text in before if "building" in text))
    check("so does the log", len(percent(line for _, line in daemon.lines)) >= 5)
    return cache


def a_cached_engine_starts_soon(broker, cache):
    times, messages = [], []
    for n in range(3):
        daemon = Daemon(f"soon{n}", cache, step_ms=1000)
        scene = daemon.waits("first scene")
        times.append(scene - daemon.began if scene else float("inf"))
        deadline = time.monotonic() + 5
        while (message := broker.first(daemon.arena, "scene", daemon.began)) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        messages.append((message or float("inf")) - daemon.began)
        check("nothing is built", "building" not in daemon.log())
        daemon.end()
    seen = f"log {', '.join(f'{t:.2f}' for t in times)} s; over MQTT {', '.join(f'{t:.2f}' for t in messages)} s"
    check("with a cached engine the first scene comes within 5 s", max(times + messages) <= 5, seen)


def a_damaged_or_half_written_cache_is_built_again(cache):
    (engine,) = cache.glob("*.engine")
    good = engine.read_bytes()
    engine.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    daemon = Daemon("damaged", cache)
    daemon.waits("first scene")
    daemon.end()
    check("a damaged engine is refused and built again", "it is damaged; the engine is built again" in daemon.log() and engine.read_bytes() == good)
    engine.unlink()
    daemon = Daemon("killed", cache, step_ms=200)
    daemon.waits("building the engine")
    daemon.end(signal.SIGKILL)
    check("a build that was killed leaves no engine", not engine.exists())
    daemon = Daemon("again", cache)
    check("... and no lock", daemon.waits("first scene") is not None and engine.read_bytes() == good)
    daemon.end()


def two_arenas_build_once():
    cache = WORK / "both"
    both = [Daemon("left", cache, step_ms=30), Daemon("right", cache, step_ms=30)]
    scenes = [daemon.waits("first scene") for daemon in both]
    for daemon in both:
        daemon.end()
    check("two arenas that start at once both come up", None not in scenes)
    built = ["Building the engine" in daemon.log() for daemon in both]
    waited = ["another arena builds the engine" in daemon.log() for daemon in both]
    check("one builds, the other waits for it", sorted(built) == [False, True] and waited == [not one for one in built], (built, waited))


def a_dla_core(broker):
    daemon = Daemon("nodla", WORK / "cache", extra="dla = 1\n")
    code = daemon.process.wait(30)
    daemon.end()
    words = "has 0 on no GPU at all; allowed: none; change model.dla or leave it out"
    check("a DLA core that is not there: exit code 2 and the board's count", code == 2 and words in daemon.log(), code)
    daemon = Daemon("dla", WORK / "cache", extra="dla = 1\n", STANDIN_DLA="2")
    up = daemon.waits("first scene") is not None
    daemon.end()
    plans = [file.read_bytes() for file in (WORK / "cache").glob("*-dla1.engine")]
    check("a DLA core that is there is used", up and len(plans) == 1 and b"device=1 dla=1" in plans[0])


def frames_go_straight_to_the_gpu(cache):
    """By default, unless the CPU is asked for; and never to a GPU that is wrong about its first pictures."""

    def bench(*options, **environment):
        words = [ARENAD, "--log", "error", "bench", "--json", "--frames", "10", "--engine", "tensorrt", "--tensorrt-folder", LIBRARIES,
                 "--engine-cache", cache, *options]
        done = subprocess.run([str(word) for word in words], env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES), **environment},
                              capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout)["preprocess"] if done.returncode == 0 else done.stderr

    for shared in "01":
        check(f"frames become the input on the GPU, memory shared: {shared}", bench(STANDIN_SHARED=shared) == (0, "gpu"))
    check("--preprocess cpu leaves it to the CPU", bench("--preprocess", "cpu") == (0, "cpu"))
    code, said = bench(STANDIN_COPIES="0")
    check("a GPU that is off the CPU's numbers is refused", code == 2 and "off the CPU's; allowed: 1/255; set model.preprocess" in said, said)


def what_the_shim_costs(cache):
    """Both loops queue piece by piece. After the start, where pictures are held against the CPU's, the stand-in copies nothing, as a GPU's CPU."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES), "STANDIN_CAPTURE": "0"}
    (engine,) = (file for file in cache.glob("*.engine") if "dla" not in file.name)

    def said(*command, **more):
        answer = subprocess.run([str(part) for part in command], env={**environment, **more}, capture_output=True, text=True, check=True)
        return answer.stdout, answer.stderr

    run = lambda what: float(said(OVERHEAD, LIBRARIES, cache, 1000, what, STANDIN_COPIES="50")[0])
    bare = lambda copies: float(said(WORK / "bare", LIBRARIES, engine, 1000, copies, STANDIN_COPIES="0")[0])
    rounds = [(run("pictures"), run("numbers"), bare(0), bare(1)) for _ in range(5)]
    pictures, numbers, alone, copied = (statistics.median(column) for column in zip(*rounds))
    for what, whole, loop in (("as pictures", pictures, alone), ("as numbers, whose copy the loop makes too,", numbers, copied)):
        figures = f"{whole:.1f} and {loop:.1f} microseconds"
        check(f"frames {what} cost at most 20 microseconds more than the bare loop", whole - loop <= 20, figures)
    for what in ("numbers", "pictures"):
        counted = lambda frames: said(OVERHEAD, LIBRARIES, cache, frames, what, LD_PRELOAD=str(WORK / "mallocs.so"))[1]
        few, many = (int(counted(frames).split()[-2]) for frames in (100, 400))
        check(f"three hundred frames more as {what} allocate nothing, in Rust or in C++", few == many, f"{few} and {many} allocations")


def main():
    start(CAMERA, RTSP, stdout=subprocess.DEVNULL)
    broker = Broker()
    cache = a_build_is_told(broker)
    a_cached_engine_starts_soon(broker, cache)
    a_damaged_or_half_written_cache_is_built_again(cache)
    two_arenas_build_once()
    a_dla_core(broker)
    frames_go_straight_to_the_gpu(cache)
    what_the_shim_costs(cache)


try:
    main()
finally:
    finish()
verdict()
