"""`python -m convert.parity_deeplabcut -o DIR`: DeepLabCut's own answers against ours, network for network, picture for picture.

Small networks are built with DeepLabCut itself and trained for a moment on drawn animals, so that there is something to find. Its own
inference runner reads the pictures, so does `poses_json` with the imported model folder; the answers stay in DIR as JSON.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from deeplabcut.pose_estimation_pytorch.apis.utils import get_pose_inference_runner
from deeplabcut.pose_estimation_pytorch.config import PoseConfig
from deeplabcut.pose_estimation_pytorch.models import PoseModel

from .deeplabcut import convert

WIDTH, HEIGHT = 160, 128
KEYPOINTS = ["nose", "neck", "back", "tail"]
ANIMALS = ["A", "B", "C"]
# Blue, green, red of each keypoint's dot, and of each animal's body.
DOTS = [(60, 60, 255), (60, 255, 60), (255, 80, 60), (60, 255, 255)]
BODIES = [(150, 70, 70), (70, 140, 70), (70, 70, 150)]
# Largest difference of a place (pixels) and of a score.
NEAR_PX, NEAR_SCORE = 0.1, 1e-3
# Name, DeepLabCut's net_type, the backbone to build in place of its large one with its channels, several animals, training steps.
CASES = [
    ("single", "resnet_50", ("resnet18", 512), False, 60),
    ("single-default", "resnet_50", None, False, 2),
    ("single-hrnet", "hrnet_w18", None, False, 15),
    ("multi", "resnet_50", ("resnet18", 512), True, 120),
    ("multi-dlcrnet", "dlcrnet_stride32_ms5", None, True, 2),
]


def draw(dice: np.random.Generator, animals: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture (BGR) and its animals' keypoints: x, y, visibility."""
    image = dice.integers(10, 40, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    points = np.zeros((animals, len(KEYPOINTS), 3), np.float32)
    for animal in range(animals):
        at, angle = dice.uniform((30, 30), (WIDTH - 30, HEIGHT - 30)), dice.uniform(0, 2 * math.pi)
        for k in range(len(KEYPOINTS)):
            points[animal, k] = *at, 2
            angle += dice.uniform(-0.4, 0.4)
            at = np.clip(at + 15 * np.array([math.cos(angle), math.sin(angle)]), 3, (WIDTH - 4, HEIGHT - 4))
        chain = np.rint(points[animal, :, :2]).astype(int)
        cv2.polylines(image, [chain], False, BODIES[animal], 7)
        for k, (x, y) in enumerate(chain):
            cv2.circle(image, (int(x), int(y)), 3, DOTS[k], -1)
    return image, points


def configuration(folder: Path, net_type: str, backbone: tuple[str, int] | None, multi: bool) -> dict:
    """DeepLabCut's default configuration of a network, with a smaller backbone where one is named."""
    project = {"Task": "parity", "scorer": "nobody", "date": "today", "project_path": str(folder), "multianimalproject": multi}
    if multi:
        project |= {"bodyparts": "MULTI!", "multianimalbodyparts": KEYPOINTS, "individuals": ANIMALS, "identity": True}
    else:
        project |= {"bodyparts": KEYPOINTS}
    file = folder / "pytorch_config.yaml"
    config = PoseConfig.build(project, file, top_down=False, net_type=net_type).to_dict(normalize=True)
    model = config["model"]
    # Statistics of batch normalisation that were never learned make numbers beyond all bounds.
    model["backbone"]["freeze_bn_stats"] = False
    if backbone:
        name, channels = backbone
        old, model["backbone_output_channels"] = model["backbone_output_channels"], channels
        model["backbone"]["model_name"] = name
        for head in model["heads"].values():
            for maps in ("heatmap_config", "locref_config", "paf_config"):
                if head.get(maps) and head[maps]["channels"][0] == old:
                    head[maps]["channels"][0] = channels
    PoseConfig.from_dict(config).to_yaml(file, overwrite=True)
    return config


def train(model: PoseModel, multi: bool, steps: int, dice: np.random.Generator) -> None:
    """A moment of DeepLabCut's own losses on drawn pictures."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    animals = len(ANIMALS) if multi else 1
    mean, scale = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    for step in range(steps):
        drawn = [draw(dice, animals) for _ in range(4)]
        images = np.stack([(image[..., ::-1] - mean) / scale for image, _ in drawn]).transpose(0, 3, 1, 2)
        keypoints = torch.tensor(np.stack([points for _, points in drawn]))
        labels = {"keypoints": keypoints, "individual_ids": torch.arange(animals).repeat(len(drawn), 1)}
        outputs = model(torch.tensor(images, dtype=torch.float32))
        loss = model.get_loss(outputs, model.get_target(outputs, labels))["total_loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"\r  step {step + 1}/{steps}, loss {loss.item():.4f} ", end="", file=sys.stderr)
    print(file=sys.stderr)
    model.eval()


def theirs(folder: Path, pictures: list[Path], multi: bool) -> list[list[dict]]:
    """The poses that DeepLabCut's own inference runner finds in each picture."""
    runner = get_pose_inference_runner(
        folder / "pytorch_config.yaml", folder / "snapshot-best-001.pt", device="cpu", max_individuals=len(ANIMALS) if multi else 1
    )
    answers = []
    for found in runner.inference([str(picture) for picture in pictures]):
        identities = found.get("identity_scores")
        poses = []
        for index, points in enumerate(found["bodyparts"]):
            known = np.isfinite(points[:, :2]).all(1) & (points[:, 2] >= 0)
            if not known.any():
                continue
            keypoints = [[float(v) for v in point[:3]] if there else None for point, there in zip(points, known)]
            identity = []
            if identities is not None:
                weighed = (points[known, 2:3].clip(0, 1) * identities[index][known]).sum(0)
                identity = (weighed / weighed.sum()).tolist()
            poses.append({"keypoints": keypoints, "identity": identity})
        answers.append(poses)
    return answers


def ours(program: list[str], folder: Path, pictures: list[Path]) -> list[list[dict]]:
    """The poses that the imported model folder gives."""
    done = subprocess.run([*program, str(folder), *map(str, pictures)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"poses_json: {done.stderr}")
    return [json.loads(line)["poses"] for line in done.stdout.splitlines()]


def apart(mine: dict, other: dict) -> tuple[float, float]:
    """The largest distance and difference of score of two poses; infinite where one has a keypoint that the other lacks."""
    far, unsure = 0.0, 0.0
    for a, b in zip(mine["keypoints"], other["keypoints"]):
        if (a is None) != (b is None):
            return math.inf, math.inf
        if a is not None:
            far = max(far, math.hypot(a[0] - b[0], a[1] - b[1]))
            unsure = max(unsure, abs(a[2] - min(max(b[2], 0.0), 1.0)))
    unsure = max([unsure, *(abs(a - b) for a, b in zip(mine["identity"], other["identity"]))])
    return far, unsure


def compare(mine: list[list[dict]], others: list[list[dict]]) -> dict:
    """How far the answers are apart over all pictures."""
    result = {"pictures": len(mine), "poses": 0, "keypoints": 0, "equal": 0, "px": 0.0, "score": 0.0}
    for a, b in zip(mine, others, strict=True):
        result["poses"] += len(b)
        result["keypoints"] += sum(point is not None for pose in b for point in pose["keypoints"])
        pairs = [min((apart(pose, other) for other in a), default=(math.inf, math.inf)) for pose in b]
        if len(a) == len(b) and all(far <= NEAR_PX and unsure <= NEAR_SCORE for far, unsure in pairs):
            result["equal"] += 1
        for far, unsure in pairs:
            if far < math.inf:
                result["px"], result["score"] = max(result["px"], far), max(result["score"], unsure)
    return result


def main() -> None:
    """Builds, imports, runs, compares."""
    parser = argparse.ArgumentParser(prog="python -m convert.parity_deeplabcut", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--poses-json", default="cargo run --quiet --locked --example poses_json --", help="our side's command")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--cases", nargs="*", default=[case[0] for case in CASES], help="only these")
    args = parser.parse_args()
    failed = False
    for name, net_type, backbone, multi, steps in CASES:
        if name not in args.cases:
            continue
        torch.manual_seed(1)
        dice = np.random.default_rng(1)
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        config = configuration(folder, net_type, backbone, multi)
        model = PoseModel.build(config["model"])
        train(model, multi, steps, dice)
        torch.save({"model": model.state_dict()}, folder / "snapshot-best-001.pt")
        pictures = [folder / f"{index:03}.png" for index in range(args.pictures)]
        for picture in pictures:
            cv2.imwrite(str(picture), draw(dice, int(dice.integers(1, 4)) if multi else 1)[0])
        # DeepLabCut itself always answers with an animal.
        convert(folder, folder / "imported", size=f"{WIDTH}x{HEIGHT}", score_min=0.0)
        others = theirs(folder, pictures, multi)
        (folder / "theirs.json").write_text(json.dumps(others))
        mine = ours(args.poses_json.split(), folder / "imported", pictures)
        (folder / "ours.json").write_text(json.dumps(mine))
        result = compare(mine, others)
        failed |= result["equal"] < result["pictures"] or result["keypoints"] == 0
        print(name, json.dumps(result), flush=True)
    sys.exit("the answers differ" if failed else 0)


if __name__ == "__main__":
    main()
