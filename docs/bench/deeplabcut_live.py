"""`python docs/bench/deeplabcut_live.py`: frames/s of DeepLabCut-Live and of arenad on one film, as a table for docs/peers.md.

Needs `pip install "deeplabcut-live[pytorch]"` and a built arenad. Both get the same film of four rendered mice, 640x480, and the same
number of CPU threads. DeepLabCut-Live's networks have random weights, which cost what trained ones cost; their heatmaps are kept
quiet, so that its assembly of animals has nothing to do. Its time is that of `get_pose` alone: reading and decoding the film is not
counted. arenad's frames/s are those of `arenad replay`: decoding, tracking and writing the files are counted.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from dlclive import DLCLive
from dlclive.pose_estimation_pytorch.models import PoseModel

KEYPOINTS = 9
ANIMALS = 4
WARM_UP = 5
LIGHTEST = {"type": "CSPNeXt", "model_name": "cspnext_s", "deepen_factor": 0.33, "widen_factor": 0.5}
COMMON = {"type": "ResNet", "model_name": "resnet50_gn", "output_stride": 16}
# What it is, its backbone with the channels of that, several animals.
NETWORKS = [
    ("cspnext_s, one animal (its lightest)", LIGHTEST, 512, False),
    ("cspnext_s, four animals", LIGHTEST, 512, True),
    ("resnet_50, one animal (its default)", COMMON, 2048, False),
]


def configuration(backbone: dict, channels: int, multi: bool) -> dict:
    """What DeepLabCut 3 writes for such a network, without what only training needs."""

    def maps(count: int) -> dict:
        return {"channels": [channels, count], "kernel_size": [3], "strides": [2]}

    head = {"heatmap_config": maps(KEYPOINTS), "locref_config": maps(2 * KEYPOINTS)}
    if multi:
        graph = [[a, b] for a in range(KEYPOINTS) for b in range(a + 1, KEYPOINTS)]
        predictor = {"type": "PartAffinityFieldPredictor", "num_animals": ANIMALS, "num_multibodyparts": KEYPOINTS}
        predictor |= {"num_uniquebodyparts": 0, "graph": graph, "edges_to_keep": list(range(len(graph)))}
        predictor |= {"locref_stdev": 7.2801, "nms_radius": 5, "sigma": 1.0, "min_affinity": 0.05}
        head |= {"type": "DLCRNetHead", "predictor": predictor, "paf_config": maps(2 * len(graph)), "num_stages": 0}
    else:
        predictor = {"type": "HeatmapPredictor", "apply_sigmoid": False, "clip_scores": True, "locref_std": 7.2801}
        head |= {"type": "HeatmapHead", "predictor": predictor}
    return {
        "method": "bu",
        "model": {"backbone": backbone, "heads": {"bodypart": head}},
        "data": {"colormode": "RGB", "inference": {"normalize_images": True}},
        "metadata": {"bodyparts": [f"part{k}" for k in range(KEYPOINTS)], "individuals": ["animal"] * (ANIMALS if multi else 1)},
    }


def exported(folder: Path, backbone: dict, channels: int, multi: bool) -> Path:
    """A file as deeplabcut.export_model writes it."""
    torch.manual_seed(1)
    config = configuration(dict(backbone), channels, multi)
    model = PoseModel.build(json.loads(json.dumps(config))["model"])
    # No peak: nothing is found, so nothing has to be put together.
    heatmap = list(model.heads["bodypart"].heatmap_head.parameters())
    with torch.no_grad():
        heatmap[-2].mul_(0.001)
        heatmap[-1].fill_(-9.0)
    path = folder / "model.pt"
    torch.save({"config": config, "pose": model.state_dict()}, path)
    return path


def film(path: Path, most: int) -> list[np.ndarray]:
    """Its pictures, RGB."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < most:
        there, frame = capture.read()
        if not there:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return frames


def live(path: Path, frames: list[np.ndarray], multi: bool) -> tuple[float, float, float]:
    """Frames/s, median and 99th percentile in milliseconds of DeepLabCut-Live."""
    runner = DLCLive(path, model_type="pytorch", device="cpu", single_animal=not multi, convert2rgb=False)
    runner.init_inference(frames[0])
    for frame in frames[:WARM_UP]:
        runner.get_pose(frame)
    times = []
    for frame in frames:
        began = time.perf_counter()
        runner.get_pose(frame)
        times.append(1000 * (time.perf_counter() - began))
    return 1000 * len(times) / sum(times), float(np.median(times)), float(np.percentile(times, 99))


def arenad(program: str, path: Path, folder: Path, engine: list[str]) -> tuple[float, float, float]:
    """Frames/s of `arenad replay` on the film; median and 99th percentile of `arenad bench`, the steps' summed."""
    replayed = subprocess.run([program, "replay", str(path), "-o", str(folder), *engine], capture_output=True, text=True, check=True)
    rate = re.search(r"([\d.]+) frames/s", replayed.stdout)
    if not rate:
        sys.exit(f"arenad replay: no rate in {replayed.stdout!r}")
    timed = subprocess.run([program, "bench", "--json", *engine], capture_output=True, text=True, check=True)
    steps = json.loads(timed.stdout.splitlines()[-1])["steps"]
    whole = [steps[step] for step in ("decode", "infer", "all_but_decode_and_infer")]
    return float(rate[1]), sum(step["median_ms"] for step in whole), sum(step["p99_ms"] for step in whole)


def processor() -> str:
    """The CPU's name."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Times both and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arenad", default="target/release/arenad", help="the program")
    parser.add_argument("--onnxruntime-library", help="libonnxruntime.so for arenad; without it the built-in engine is timed alone")
    parser.add_argument("--frames", type=int, default=300, help="most frames of the film for DeepLabCut-Live")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    engines = [("built-in engine", ["--engine", "built-in"])]
    if args.onnxruntime_library:
        engines.insert(0, ("ONNX Runtime", ["--engine", "onnxruntime", "--onnxruntime-library", args.onnxruntime_library]))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minutes = str(args.frames / 30 / 60)
        subprocess.run([args.arenad, "rehearse", "-o", str(folder), "--minutes", minutes, "--seed", "1"], check=True, capture_output=True)
        video = folder / "video.mp4"
        frames = film(video, args.frames)
        for index, (what, options) in enumerate(engines):
            options = [*options, "--threads", str(args.threads)]
            rows.append((f"arenad, socialbox, four animals with names, {what}", *arenad(args.arenad, video, folder / str(index), options)))
        for what, backbone, channels, multi in NETWORKS:
            rows.append((f"DeepLabCut-Live, {what}", *live(exported(folder, backbone, channels, multi), frames, multi)))
    print("| what | frames/s | median ms | p99 ms |\n|---|---|---|---|")
    for what, rate, median, late in rows:
        print(f"| {what} | {rate:.1f} | {median:.1f} | {late:.1f} |")
    height, width = frames[0].shape[:2]
    print(
        f"\n{len(frames)} frames of {width}x{height}, {args.threads} threads of {processor()}, Python {platform.python_version()}, "
        f"deeplabcut-live {version('deeplabcut-live')}, PyTorch {torch.__version__}, one run."
    )


if __name__ == "__main__":
    main()
