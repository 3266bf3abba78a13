"""`python -m convert.parity_yolo POSES_JSON`: holds Ultralytics' own poses against ours, on networks built with its own package.

POSES_JSON is the program of examples/poses_json.rs. The networks have random weights, drawn so wide that boxes are many and overlap;
nothing is downloaded. `--golden DIR` also writes what tests/import_yolo.rs reads.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from ultralytics import YOLO
from ultralytics.nn.tasks import PoseModel
from ultralytics.utils.nms import non_max_suppression

SCORE_MIN, OVERLAP_MAX, ANIMALS_MAX = 0.25, 0.7, 8
KEYPOINT_PX, SCORE = 0.1, 1e-3

# A network of 97,000 parameters, of Ultralytics' own layers.
SMALL = {
    "nc": 2, "kpt_shape": [4, 3], "reg_max": 8, "end2end": False,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [24, 3, 2]], [-1, 1, "C2f", [24, True]],
                 [-1, 1, "Conv", [32, 3, 2]], [-1, 1, "C2f", [32, True]]],
    "head": [[-1, 1, "nn.Upsample", [None, 2, "nearest"]], [[-1, 3], 1, "Concat", [1]], [-1, 1, "C2f", [24]],
             [[8, 5], 1, "Pose", ["nc", "kpt_shape"]]],
}  # fmt: skip
# Network, classes, keypoints and their values, input width and height.
CASES = (
    ("small", 2, (4, 3), (128, 96)),
    ("yolo11n-pose.yaml", 1, (5, 3), (320, 256)),
    ("yolov8n-pose.yaml", 3, (4, 2), (160, 160)),
    ("yolo26n-pose.yaml", 4, (9, 3), (320, 256)),
)


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """Soft coloured blobs, RGB."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    image = np.full((height, width, 3), 60.0)
    for _ in range(14):
        at = dice.uniform(0, 1, 2) * (width, height)
        size = dice.uniform(0.03, 0.2) * width
        weight = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * size**2))[..., None]
        image += (dice.uniform(0, 255, 3) - image) * weight
    return image.clip(0, 255).astype(np.uint8)


def network(name: str, classes: int, keypoints: tuple[int, int], size: tuple[int, int], file: Path) -> None:
    """A network with random weights as a .pt file."""
    torch.manual_seed(7)
    cfg = dict(SMALL) if name == "small" else name
    yolo = YOLO("yolo11n-pose.yaml", task="pose", verbose=False)
    net = PoseModel(cfg, nc=classes, data_kpt_shape=keypoints, verbose=False)
    net.names = {index: f"mouse{index}" for index in range(classes)}
    norms = [layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    # Activations of a spread of 1 throughout, as training would leave them.
    for norm in norms:
        norm.momentum = 1.0
    seen = np.stack([picture(*size, seed) for seed in range(100, 132)]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        net.train()
        net(torch.from_numpy(seen.copy()).float() / 255)
        net.eval()
        last = [branch[-1] for branch in net.model[-1].cv3]
        # The best score shall be 0.95, the usual one 0.12; more than once, as the first scores may be beyond what a logit tells.
        for _ in range(3):
            for layer in last:
                layer.bias.zero_()
            logits = torch.logit(net(torch.from_numpy(seen.copy()).float() / 255)[0][:, 4 : 4 + classes], eps=1e-6)
            spread = (logits.max() - logits.mean()) / 5
            for layer in last:
                layer.weight.div_(spread)
                layer.bias.fill_(-2.0 - logits.mean() / spread)
    for norm, momentum in zip(norms, usual):
        norm.momentum = momentum
    net.args, net.task, yolo.model = yolo.model.args, "pose", net
    yolo.save(file)


def theirs(model: YOLO, image: np.ndarray, size: tuple[int, int]) -> list[dict]:
    """What Ultralytics' predictor says, best first."""
    options = {"imgsz": [size[1], size[0]], "rect": False, "conf": SCORE_MIN, "iou": OVERLAP_MAX, "max_det": ANIMALS_MAX}
    result = model.predict(np.ascontiguousarray(image[..., ::-1]), verbose=False, device="cpu", **options)[0]
    boxes, keypoints = result.boxes.data.numpy(), result.keypoints.data.numpy()
    return [{"score": float(box[4]), "class": int(box[5]), "keypoints": points.tolist()} for box, points in zip(boxes, keypoints)]


def ours(program: Path, folder: Path, pictures: list[Path]) -> list[list[dict]]:
    """What the Rust side says, a list for each picture."""
    done = subprocess.run([program, folder, *pictures], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program}: {done.stderr}")
    return [json.loads(line)["poses"] for line in done.stdout.splitlines()]


def differences(wanted: list[dict], got: list[dict], size: tuple[int, int]) -> tuple[float, float]:
    """The largest distance between keypoints, pixels, and the largest difference of scores; infinite where poses do not match."""
    if len(wanted) != len(got):
        return np.inf, np.inf
    far, score = 0.0, 0.0
    for one, other in zip(wanted, got):
        if other["identity"] and int(np.argmax(other["identity"])) != one["class"]:
            return np.inf, np.inf
        score = max(score, abs(one["score"] - other["score"]))
        for a, b in zip(one["keypoints"], other["keypoints"], strict=True):
            # Ultralytics draws what lies outside onto the picture's rim; we leave it where it is.
            far = max(far, float(np.hypot(*(np.array(a[:2]) - np.clip(b[:2], 0, size)))))
            score = max(score, abs(b[2] - (a[2] if len(a) == 3 else one["score"])))
    return far, score


def case(name: str, classes: int, keypoints: tuple[int, int], size: tuple[int, int], program: Path, work: Path) -> bool:
    """One network: prints a line a kind of picture; False where a bar is missed."""
    folder = work / Path(name).stem
    folder.mkdir()
    source = folder / "net.pt"
    network(name, classes, keypoints, size, source)
    command = [sys.executable, "-m", "convert.yolo", source, "-o", folder / "model", "--size", f"{size[0]}x{size[1]}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    model, fine = YOLO(source, task="pose", verbose=False), True
    w, h = size
    # Sizes of which both resample to the same bytes. Of others Ultralytics' input differs by a grey level here and there, or, shrunk
    # to less than half, by more: it takes four pixels, the line all that fall into one.
    kinds = {"same size": (w, h), "padded": (w, h * 3 // 4), "half": (w * 2, h)}
    for kind, (width, height) in kinds.items():
        files, wanted = [], []
        for seed in range(6):
            image = picture(width, height, seed)
            files.append(folder / f"{kind} {seed}.png")
            Image.fromarray(image).save(files[-1])
            wanted.append(theirs(model, image, size))
        got = ours(program, folder / "model", files)
        pairs = [differences(a, b, (width, height)) for a, b in zip(wanted, got, strict=True)]
        far, score = (max(pair[at] for pair in pairs) for at in (0, 1))
        met = far <= KEYPOINT_PX and score <= SCORE
        fine &= met
        print(f"{name:18} {kind:10} {sum(map(len, wanted)):3} poses  keypoints {far:.5f} px  scores {score:.6f}  {'yes' if met else 'NO'}", flush=True)
    return fine


def golden(folder: Path, work: Path) -> None:
    """A model that always answers with the small network's table for one picture, and the poses that Ultralytics reads from it."""
    name, classes, keypoints, size = CASES[0]
    source = work / "golden.pt"
    network(name, classes, keypoints, size, source)
    image = torch.from_numpy(picture(*size, 0).transpose(2, 0, 1).copy()).float()[None] / 255
    with torch.no_grad():
        table = YOLO(source, task="pose", verbose=False).model.eval()(image)[0]
    rows = non_max_suppression(table.clone(), SCORE_MIN, OVERLAP_MAX, nc=classes, max_det=ANIMALS_MAX)[0]
    poses = [{"score": float(row[4]), "class": int(row[5]), "keypoints": row[6:].view(*keypoints).tolist()} for row in rows]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["output0"]),
    ]
    constants = [numpy_helper.from_array(table.numpy(), "table"), numpy_helper.from_array(np.float32(0), "none")]
    values = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "table", [values("images", [1, 3, size[1], size[0]])], [values("output0", table.shape)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    names = {index: f"mouse{index}" for index in range(classes)}
    helper.set_model_props(model, {"names": str(names), "kpt_shape": str(list(keypoints))})
    onnx.save(model, work / "table.onnx")
    command = [sys.executable, "-m", "convert.yolo", work / "table.onnx", "-o", folder]
    if subprocess.run(command).returncode != 0:
        sys.exit("the golden model was not converted")
    (folder / "poses.json").write_text(json.dumps(poses, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """The command; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m convert.parity_yolo", description=__doc__)
    parser.add_argument("program", type=Path, metavar="POSES_JSON")
    parser.add_argument("--golden", type=Path, metavar="DIR", help="an empty folder for the fixture of tests/import_yolo.rs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if args.golden:
            golden(args.golden, Path(work))
        fine = [case(*one, args.program.resolve(), Path(work)) for one in CASES]
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
