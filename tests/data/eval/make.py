"""Makes oks.json, a small case whose figures are pycocotools' own: `pip install pycocotools==2.0.11 && python make.py`."""

import contextlib
import io
import json
import random
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIGMAS = [0.05, 0.05, 0.05, 0.1, 0.1]
K = len(SIGMAS)
UNKNOWN, COVERED, SEEN = 0, 1, 2


def pixels(value):
    """A number that 32 bits hold exactly."""
    return round(value * 16) / 16


def animal(dice, x, y):
    """Five keypoints around a place; most in view, some covered, some unknown."""
    states = dice.choices([SEEN, COVERED, UNKNOWN], [8, 2, 1], k=K)
    return [[pixels(x + dice.uniform(-40, 40)), pixels(y + dice.uniform(-30, 30)), s] for s in states]


def frame(dice):
    """Up to four animals; poses near them, some far off, some doubled, some of nothing."""
    animals = [animal(dice, 100 + 120 * i, dice.uniform(80, 400)) for i in range(dice.randint(1, 4))]
    # One that is all but covered: nobody is asked for it.
    if dice.random() < 0.5:
        hidden = [[x, y, COVERED] for x, y, _ in animal(dice, 560, 60)]
        hidden[0][2] = SEEN
        animals.append(hidden)
    poses = []
    for points in animals:
        for _ in range(dice.choices([0, 1, 2], [1, 7, 2])[0]):
            off = dice.choice([0.5, 1, 2, 6])
            near = [[pixels(x + dice.gauss(0, off)), pixels(y + dice.gauss(0, off))] for x, y, _ in points]
            poses.append([pixels(dice.random()), near])
    if dice.random() < 0.4:
        poses.append([pixels(dice.random()), [[pixels(dice.uniform(0, 640)), pixels(dice.uniform(0, 480))] for _ in range(K)]])
    return {"animals": animals, "poses": poses}


def area(points):
    """As src/eval/oks.rs has it: the box around the known keypoints, at least a third as wide as long, at least one pixel."""
    known = np.array([p[:2] for p in points if p[2]], np.float32)
    w, h = (known.max(0) - known.min(0)).astype(float) if len(known) else (0.0, 0.0)
    return max(1.0, max(w, h / 3) * max(h, w / 3))


def counts(points):
    seen = sum(p[2] == SEEN for p in points)
    return seen > 0 and 4 * seen >= sum(p[2] != UNKNOWN for p in points)


dice = random.Random(3)
frames = [frame(dice) for _ in range(12)]
truth = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "animal"}]}
found, number = [], 0
for image, one in enumerate(frames, 1):
    truth["images"].append({"id": image, "width": 640, "height": 480})
    for points in one["animals"]:
        number += 1
        # What is covered is no more looked for than what is unknown.
        flat = [v for x, y, s in points for v in (x, y, 2 if s == SEEN else 0)]
        truth["annotations"].append(
            {"id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 1, 1], "area": area(points),
             "keypoints": flat, "num_keypoints": K if counts(points) else 0}
        )
    for score, points in one["poses"]:
        found.append({"image_id": image, "category_id": 1, "score": score, "keypoints": [v for x, y in points for v in (x, y, 1)]})

with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    run = COCOeval(coco, coco.loadRes(found), "keypoints")
    run.params.kpt_oks_sigmas = np.array(SIGMAS)
    run.evaluate()
    run.accumulate()
    run.summarize()
# Similarities in the order of poses and animals, not in pycocotools' order of scores.
similarities = []
for image, one in enumerate(frames, 1):
    ious = np.array(run.ious[(image, 1)])
    order = np.argsort([-p[0] for p in one["poses"]], kind="mergesort")
    rank = {int(pose): row for row, pose in enumerate(order)}
    for pose in range(len(one["poses"])):
        for a, points in enumerate(one["animals"]):
            if any(p[2] == SEEN for p in points):
                similarities.append(round(float(ious[rank[pose], a]), 9))
precision = run.eval["precision"][:, :, 0, list(run.params.areaRngLbl).index("all"), -1]
case = {"sigmas": SIGMAS, "frames": frames, "mean_average_precision": float(precision.mean()), "similarities": similarities}
Path(__file__).with_name("oks.json").write_text(json.dumps(case) + "\n")
print(case["mean_average_precision"], float(run.stats[0]), len(found))
