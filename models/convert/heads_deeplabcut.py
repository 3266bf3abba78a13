"""`python -m convert.heads_deeplabcut`: drawn heads and what DeepLabCut's own predictors read from them.

Writes the golden answers under `tests/data/import/` (`--golden`), or holds many drawn heads against `poses_json` (`--many`).
Values are whole 2048ths from -16 to 16, so that both sides read the same numbers.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from deeplabcut.pose_estimation_pytorch.data.postprocessor import PredictKeypointIdentities
from deeplabcut.pose_estimation_pytorch.models.predictors import HeatmapPredictor, IdentityPredictor, PartAffinityFieldPredictor
from deeplabcut.pose_estimation_pytorch.models.target_generators import HeatmapPlateauGenerator, PartAffinityFieldGenerator
from onnx import TensorProto, helper, numpy_helper

from .contract import Contract, File, Output, Training, write
from .deeplabcut import COLOURS
from .parity_deeplabcut import ANIMALS, HEIGHT, KEYPOINTS, WIDTH, compare, ours

STRIDE = 8
# A cell more than the picture has, as the transposed convolutions make it.
ROWS, COLUMNS = HEIGHT // STRIDE + 1, WIDTH // STRIDE + 1
STDEV = 7.2801
EDGES = [(a, b) for a in range(len(KEYPOINTS)) for b in range(a + 1, len(KEYPOINTS))]
UNIT = 2048


def chains(dice: np.random.Generator, animals: int, crowd: float) -> np.ndarray:
    """Keypoints of animals: x, y, visibility; the nearer to 1 the crowd, the nearer the animals."""
    points = np.zeros((animals, len(KEYPOINTS), 3))
    room = np.array([WIDTH, HEIGHT]) / 2 * (1 - 0.8 * crowd)
    for animal in range(animals):
        at, angle = np.array([WIDTH, HEIGHT]) / 2 + dice.uniform(-room, room), dice.uniform(0, 7)
        for k in range(len(KEYPOINTS)):
            points[animal, k] = *at.clip(2, (WIDTH - 3, HEIGHT - 3)), 2 * (dice.random() > 0.1)
            angle += dice.uniform(-0.7, 0.7)
            at = at + dice.uniform(10, 25) * np.array([np.cos(angle), np.sin(angle)])
    return points


def heads(dice: np.random.Generator, multi: bool) -> dict[str, np.ndarray]:
    """The heads of one drawn picture as the contract means them: DeepLabCut's own training targets, with noise."""
    animals = int(dice.integers(1, len(ANIMALS) + 2)) if multi else 1
    points = torch.tensor(chains(dice, animals, dice.random()))[None]
    empty = {name: torch.zeros(1, 1, ROWS, COLUMNS) for name in ("heatmap", "locref", "paf")}
    labels = {"keypoints": points, "individual_ids": (torch.arange(animals) % len(ANIMALS))[None]}
    common = {"pos_dist_thresh": 17, "generate_locref": True}
    body = HeatmapPlateauGenerator(num_heatmaps=len(KEYPOINTS), heatmap_mode="KEYPOINT", **common)(STRIDE, empty, labels)
    smooth = [cv2.GaussianBlur(channel.numpy(), (11, 11), 1.0) for channel in body["heatmap"]["target"][0]]
    maps = {"heatmaps": np.stack(smooth), "locref": body["locref"]["target"][0].numpy()}
    noise = {"heatmaps": 0.05, "locref": 0.05}
    if multi:
        field = PartAffinityFieldGenerator(graph=EDGES, width=20)(STRIDE, empty, labels)
        whose = np.zeros((len(ANIMALS), ROWS, COLUMNS))
        if animals <= len(ANIMALS):
            one = HeatmapPlateauGenerator(num_heatmaps=len(ANIMALS), heatmap_mode="INDIVIDUAL", **common)
            labels["keypoints"] = torch.cat([points, -torch.ones(1, len(ANIMALS) - animals, *points.shape[2:])], 1)
            whose = one(STRIDE, empty, labels)["heatmap"]["target"][0].numpy() * 6 - 4
        maps |= {"affinity": field["paf"]["target"][0].numpy(), "identity": whose}
        noise |= {"affinity": float(dice.choice([0.02, 0.3])), "identity": 0.5}
    noisy = {name: values + dice.normal(0, noise[name], values.shape) for name, values in maps.items()}
    noisy["heatmaps"] = noisy["heatmaps"].clip(0, 1)
    return {name: (np.rint(values * UNIT) / UNIT).astype(np.float32) for name, values in noisy.items()}


def theirs(maps: dict[str, np.ndarray]) -> list[dict]:
    """The poses that DeepLabCut's predictors read. The maps are smoothed already: its own kernel is set to a single cell."""
    tensors = {name: torch.tensor(values)[None] for name, values in maps.items()}
    outputs = {"heatmap": tensors["heatmaps"], "locref": tensors["locref"]}
    if "affinity" not in maps:
        poses = HeatmapPredictor(apply_sigmoid=False, clip_scores=True, locref_std=STDEV)(STRIDE, outputs)["poses"][0].numpy()
    else:
        reader = PartAffinityFieldPredictor(
            len(ANIMALS), len(KEYPOINTS), 0, EDGES, list(range(len(EDGES))), STDEV, nms_radius=5, sigma=1e-3, min_affinity=0.05,
            apply_sigmoid=False,
        )  # fmt: skip
        poses = reader(STRIDE, outputs | {"paf": tensors["affinity"]})["poses"][0].numpy()
    identities = np.zeros((len(poses), len(KEYPOINTS), 0))
    if "identity" in maps:
        heat = IdentityPredictor()(STRIDE, {"heatmap": tensors["identity"]})["heatmap"][0].numpy()
        step = PredictKeypointIdentities("scores", "maps", "poses")
        identities = step({"poses": poses[..., :3], "maps": heat}, {})[0]["scores"]
    found = []
    for points, scores in zip(poses, identities):
        known = np.isfinite(points[:, :2]).all(1) & (points[:, 2] >= 0)
        if known.any():
            keypoints = [[round(float(v), 5) for v in point[:3]] if there else None for point, there in zip(points, known)]
            weighed = (points[known, 2:3].clip(0, 1) * scores[known]).sum(0)
            found.append({"keypoints": keypoints, "identity": [round(float(v), 6) for v in weighed / weighed.sum()]})
    return found


def contract(folder: Path, maps: dict[str, np.ndarray], width: int, height: int, **more) -> None:
    """The contract of such heads; `folder`/model.onnx must be there."""
    decoder = {"kind": "heatmap-locref", "score_min": 0.0, "locref_stdev": STDEV}
    if "affinity" in maps:
        edges = [[KEYPOINTS[a], KEYPOINTS[b]] for a, b in EDGES]
        decoder = {"kind": "part-affinity", "animals_max": len(ANIMALS), "keypoint_min": 0.1, "peak_window": 5, "locref_stdev": STDEV}
        decoder |= {"affinity_min": 0.05, "links_min": 2, "overlap_max": 0.8, "edges": edges}
    outputs = [Output(name, name, (1, *values.shape), STRIDE) for name, values in maps.items()]
    training = Training("python -m convert.heads_deeplabcut", 1, "nothing", "nothing")
    names = list(zip(ANIMALS, COLOURS)) if "identity" in maps else []
    files = [File("model.onnx", "fp32", 0.0)]
    write(folder, Contract("drawn", "Drawn heads.", KEYPOINTS, [], [], names, width, height, decoder, outputs, files, training, **more))


def golden(folder: Path) -> None:
    """Writes the heads and the answers that `cargo test` holds the decoders to."""
    dice = np.random.default_rng(3)
    for name, multi, count in (("deeplabcut-single", False, 1), ("deeplabcut-multi", True, 2)):
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        pictures = []
        while len(pictures) < count:
            maps = heads(dice, multi)
            poses = theirs(maps)
            if len(poses) >= (3 if multi else 1):
                pictures.append((maps, poses))
        (target / "model.onnx").write_bytes(b"")
        contract(target, pictures[0][0], WIDTH, HEIGHT)
        (target / "model.onnx").unlink()
        values = np.concatenate([values.ravel() for maps, _ in pictures for values in maps.values()])
        np.rint(values * UNIT).astype("<i2").tofile(target / "heads.i16")
        text = ",\n".join(json.dumps(poses) for _, poses in pictures)
        (target / "poses.json").write_text(f"[\n{text}\n]\n")


def write_carrier(path: Path, maps: dict[str, np.ndarray], width: int, height: int) -> None:
    """An ONNX file that takes its heads out of the picture: red and green are the high and the low byte of a value."""
    nodes, values, at = [], [], 0

    def constant(name: str, array) -> str:
        values.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    weights = np.array([256.0, 1.0, 0.0], np.float32).reshape(1, 3, 1, 1)
    both = node("Conv", ["image", constant("weights", weights)], "both", strides=[1, 1], pads=[0, 0, 0, 0], kernel_shape=[1, 1])
    shifted = node("Sub", [both, constant("middle", np.float32(32768))], "shifted")
    units = node("Div", [shifted, constant("unit", np.float32(UNIT))], "units")
    flat = node("Reshape", [units, constant("line", np.array([-1]))], "flat")
    for name, head in maps.items():
        bounds = [constant(f"{name}-{what}", np.array([value])) for what, value in (("from", at), ("to", at + head.size))]
        part = node("Slice", [flat, *bounds], f"{name}-part")
        node("Reshape", [part, constant(f"{name}-shape", np.array([1, *head.shape]))], name)
        at += head.size
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *head.shape]) for name, head in maps.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])
    graph = helper.make_graph(nodes, "carrier", [image], outputs, values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def many(folder: Path, count: int, program: list[str]) -> bool:
    """Holds many drawn heads against our side; says whether all are equal."""
    fine = True
    for multi in (False, True):
        dice = np.random.default_rng(5)
        target = folder / ("heads-multi" if multi else "heads-single")
        target.mkdir(parents=True, exist_ok=True)
        pictures, answers = [], []
        for index in range(count):
            maps = heads(dice, multi)
            answers.append(theirs(maps))
            values = np.concatenate([values.ravel() for values in maps.values()])
            # The picture is as large as the input, which the contract holds against the stride.
            image = np.zeros((HEIGHT * WIDTH, 3), np.uint8)
            whole = np.rint(values * UNIT).astype(int) + 32768
            image[: len(whole), 2], image[: len(whole), 1] = whole // 256, whole % 256
            pictures.append(target / f"{index:04}.png")
            cv2.imwrite(str(pictures[-1]), image.reshape(HEIGHT, WIDTH, 3))
        write_carrier(target / "model.onnx", maps, WIDTH, HEIGHT)
        contract(target, maps, WIDTH, HEIGHT, scale=(1.0, 1.0, 1.0))
        mine = ours(program, target, pictures)
        result = compare(mine, answers)
        (target / "theirs.json").write_text(json.dumps(answers))
        (target / "ours.json").write_text(json.dumps(mine))
        print(target.name, json.dumps(result), flush=True)
        fine &= result["equal"] == count
    return fine


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(prog="python -m convert.heads_deeplabcut", description=__doc__)
    parser.add_argument("--golden", type=Path, metavar="DIR", help="write the golden answers here")
    parser.add_argument("--many", type=int, default=0, metavar="N", help="compare N drawn heads of each kind")
    parser.add_argument("-o", "--out", type=Path, default=Path("heads"), metavar="DIR", help="where they go")
    parser.add_argument("--poses-json", default="cargo run --quiet --locked --example poses_json --", help="our side's command")
    args = parser.parse_args()
    if args.golden:
        golden(args.golden)
    if args.many and not many(args.out, args.many, args.poses_json.split()):
        sys.exit("the answers differ")


if __name__ == "__main__":
    main()
