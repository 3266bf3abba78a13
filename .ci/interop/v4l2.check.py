"""Judges what v4l2.inside.ash tried: one line a promise."""

import json
import re
import sys
from datetime import datetime

# vivid's colour bars, white to black at 75 %.
BARS = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]]
failed = False


def expect(promise, good, got):
    global failed
    failed |= not good
    print(f"{'ok     ' if good else 'FAILED '} {promise}" + ("" if good else f": got {got}"))


def read(path):
    """The tries by name: their lines of JSON, their other lines, their exit code."""
    tries, name, ended = {}, None, False
    for line in open(path, errors="replace").read().splitlines():
        if match := re.fullmatch(r"begin (\S+)", line):
            name = match[1]
            tries[name] = {"told": [], "text": [], "code": None}
        elif (match := re.fullmatch(r"end (\S+) (\d+)", line)) and match[1] in tries:
            tries[match[1]]["code"] = int(match[2])
            name = None
        elif line.startswith("note"):
            print(line)
        elif name:
            try:
                tries[name]["told"].append(json.loads(line))
            except ValueError:
                tries[name]["text"].append(line)
        ended |= line == "done"
    return tries, ended


tries, ended = read(sys.argv[1])


def told(name, what):
    return [line for line in tries.get(name, {"told": []})["told"] if line["what"] == what]


def errors(name):
    return [line["error"] for line in told(name, "retrying")]


def counters(name):
    return (told(name, "end") or [{"counters": {}}])[-1]["counters"]


def times(name):
    return [datetime.fromisoformat(unit["captured"].replace("Z", "+00:00")).timestamp() for unit in told(name, "unit")]


def rate(name):
    """Pictures a second by capture times, those that the machine was too slow for included by their numbers."""
    at, numbers = times(name), [unit["frame"] for unit in told(name, "unit")]
    return (numbers[-1] - numbers[0]) / (at[-1] - at[0]) if len(at) > 2 and at[-1] > at[0] else 0.0


def near(colours, wanted, off):
    flat = [abs(a - b) for got, want in zip(colours, wanted) for a, b in zip(got, want)]
    return len(colours) == len(wanted) and max(flat) <= off


for name in ["yuyv", "nv12", "grey"]:
    frames, units = told(name, "frame"), told(name, "unit")
    wanted = BARS
    if name == "grey":
        wanted = [[round(0.2126 * r + 0.7152 * g + 0.0722 * b)] * 3 for r, g, b in BARS]
    good = len(frames) >= 20 and all(near(frame["columns"], wanted, 6) for frame in frames)
    expect(f"{name.upper()}: each picture shows the colour bars", good, frames[:1])
    expect(f"{name.upper()}: it is told so", {unit["codec"] for unit in units} == {name.upper()}, units[:1])
    ages = sorted(unit["age_ms"] for unit in units) or [1e9]
    # A machine without time for the guest makes pictures old before they are read, not their stamps wrong: the fresher ones tell.
    good = all(unit["clock"] == "Kernel" for unit in units) and 0 <= ages[0] and ages[len(ages) // 4] <= 40
    expect(f"{name.upper()}: the kernel's stamps, within a frame of the wall clock", good, ages)
    expect(f"{name.upper()}: 25 frames/s", abs(rate(name) - 25) < 0.5, rate(name))
    print(f"note    {name}: age median {ages[len(ages) // 2]:.1f} ms, most {ages[-1]:.1f} ms; {rate(name):.2f} frames/s; {counters(name)}")

good = [live["device"] for live in told("yuyv", "live")] == ["25 frames/s (vivid)"]
expect("camera and rate are told", good, told("yuyv", "live"))
units = told("link", "unit")
# What vivid has below 30 frames/s at this size is its kernel's business.
live = (told("link", "live") or [{"device": "", "size": None}])[0]
usual = int((re.match(r"(25|30) frames/s \(vivid\)$", live["device"]) or [0, 0])[1])
good = {unit["codec"] for unit in units} == {"NV12"} and live["size"] == [640, 480] and usual > 0 and abs(rate("link") - usual) < 0.7
expect(f"by a link and without settings: NV12, 640x480, {usual} frames/s instead of the camera's own 5", good, (live, rate("link")))
expect("10 frames/s", abs(rate("ten") - 10) < 0.3, rate("ten"))
good = any(", gain 77 (vivid)" in live["device"] for live in told("gain", "live"))
expect("the gain is set and read back", good, (told("gain", "live"), errors("gain")))

REFUSED = {
    "size": r"gives no 642x480; it offers NV12 320x180, 640x360, 640x480, .*; set camera.size_px",
    "rate": r"gives no 33 frames/s at 640x480; it offers NV12 .*; YUYV .*; set camera.rate_hz to one of these",
    "mjpeg": r"gives no pictures as MJPEG; it offers YUYV, .*; set camera.pixels to one of",
    "exposure": r"exposure_us = 5000: the camera has no control for the exposure time; leave the key out",
    "gain-range": r"gain = 1000: the camera has 0 to 255; choose a value in that range",
    "not-a-camera": r"is no video device; a device that gives video is needed; there: /dev/video0",
    "forbidden": r"permission denied; a user of the group that owns the device \(usually video\) may open it",
}
for name, words in REFUSED.items():
    said = (errors(name) or ["nothing"])[0]
    expect(f"refused with its words, exit code 2: {name}", bool(re.search(words, said)) and tries[name]["code"] == 2, said)
said = (errors("absent") or ["nothing"])[0]
good = "camera /dev/video7: is not there; there: /dev/video0" in said and tries["absent"]["code"] == 0
expect("a camera that is not there is waited for", good, said)
said = (errors("busy") or ["nothing"])[0]
expect("a camera that another program has is waited for", "is in use by another program" in said, said)


def comes_back(name, promise, words):
    said, lives = errors(name), told(name, "live")
    order = [line["what"] for line in tries.get(name, {"told": []})["told"] if line["what"] in ("live", "retrying")]
    good = len(lives) == 2 and order[0] == "live" and order[1] == "retrying" and order[-1] == "live"
    good &= bool(said) and words in said[0]
    expect(promise, good, (order, said))
    numbers = [unit["frame"] for unit in told(name, "unit")]
    restarts = sum(unit["restart"] for unit in told(name, "unit"))
    count = counters(name)
    good = numbers == sorted(set(numbers)) and restarts == 2 and count.get("connections") == 2
    expect(f"{name}: numbers go on, the new start is marked and counted", good, (numbers[:3], restarts, count))


comes_back("unplug", "the driver's disconnect: told as gone, then back by itself", "the device is gone")
comes_back("replug", "taken away for two seconds: told, then back by itself", "the device is gone")
expect("meanwhile it is told what is there", any("is not there" in said for said in errors("replug")), errors("replug"))
comes_back("fatal", "an error of the whole stream: told, then opened anew", "taking a picture: ")

count = counters("damaged")
expect("buffers with the error flag are counted and dropped", count.get("stream_errors") == 3 and not errors("damaged"), count)
units, count = told("dropped", "unit"), counters("dropped")
missing = units[-1]["frame"] + 1 - len(units) if units else 0
good = count.get("pictures_lost", 0) >= 10 and missing == count["pictures_lost"] + count["stream_errors"]
expect("pictures that the driver drops are counted, and their numbers missing", good, (missing, count))
print(f"note    dropped: {len(units)} pictures, {count}")

if "jpeg" in tries:
    said = (errors("unfed") or ["nothing"])[0]
    good = "offers no format at all" in said and tries["unfed"]["code"] == 0
    expect("a device that nothing feeds yet is waited for", good, said)
    wanted = (told("picture", "frame") or [{"columns": []}])[0]["columns"]
    frames = told("jpeg", "frame")
    good = len(frames) >= 10 and bool(wanted) and all(frame["columns"] == wanted for frame in frames)
    expect("MJPEG: each picture is the one that was fed", good, (wanted, frames[:1], errors("jpeg"), tries["jpeg"]["text"]))
    expect("MJPEG: it is told so", {unit["codec"] for unit in told("jpeg", "unit")} == {"Jpeg"}, told("jpeg", "unit")[:1])

text = "\n".join(tries.get("check", {"text": []})["text"])
good = re.search(rf"^ok      camera     NV12, 640x480, \d+\.\d frames/s measured, capture clock: the kernel's; set to {usual} frames/s \(vivid\)$", text, re.M) and tries["check"]["code"] == 0
expect("arenad check: camera, pixels, size and rate", bool(good), text)
print("\n".join(f"        {line}" for line in text.splitlines() if re.match(r"ok      (camera|frames)", line)))
text = "\n".join(tries.get("run", {"text": []})["text"])
order = ["camera is live: NV12 320x180, 25 frames/s (vivid)", "first scene", "the device is gone; ", "camera is live: ", "stopped"]
at = [0]
for words in order:
    at.append(text.find(words, at[-1]))
expect("arenad run: scenes, an unplugged camera told, live again, a clean end", min(at) >= 0 and tries["run"]["code"] == 0, text)
expect("the machine came to its end", ended, "an end before `done`")
sys.exit(failed)
