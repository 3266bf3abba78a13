"""Holds the import of SLEAP-NN networks against SLEAP-NN itself: `python -m convert.parity_sleap DIR [--program PROGRAM]`.

Trains small networks of each kind with the real package on drawn pictures (kept in DIR, so that a second run is quick), imports
them, and compares what `poses_json` reads with what SLEAP-NN's own inference gives: places within 0.1 px, scores within 0.001.
PROGRAM is the built example, `target/debug/examples/poses_json` without it.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from . import sleap
from .sleap_crowds import crowd, folder_of
from .sleap_samples import EDGES, MODELS, NETWORKS, NODES, SETTINGS, SHOWN, train

PLACE_MAX, SCORE_MAX = 0.1, 1e-3
CROWDS = 20
GOLDEN_CROWD = 3
GOLDEN = ("single-odd-scale", "top-down", "top-down-classes", "bottom-up", "bottom-up-classes")


def told_apart(layer, keypoints: np.ndarray, scores: np.ndarray, score, identity) -> dict | None:
    """One animal as SLEAP-NN tells of it, its score on our scale; None where it has no keypoint."""
    places = [
        None if np.isnan(place).any() else [float(place[0]), float(place[1]), min(float(sure), 1.0)]
        for place, sure in zip(keypoints, scores)
    ]
    if not any(places):
        return None
    kind = type(layer).__name__
    if kind == "SingleInstanceLayer":
        score = np.nansum(scores) / len(NODES)
    if kind == "BottomUpLayer":
        score = score / len(EDGES)
    return {"score": min(max(float(score), 0.0), 1.0), "keypoints": places, "identity": identity}


def told(layer, outputs) -> list[dict]:
    """What SLEAP-NN's outputs for one picture say."""
    points, values = outputs.pred_keypoints[0].numpy(), outputs.pred_peak_values[0].numpy()
    found = []
    for index, (places, scores) in enumerate(zip(points, values)):
        score = outputs.instance_scores[0, index] if outputs.instance_scores is not None else None
        identity = None
        if outputs.pred_class_vectors is not None:
            identity = [float(value) for value in outputs.pred_class_vectors[0, index]]
        elif type(layer).__name__ == "BottomUpMultiClassLayer":
            identity = index
        found.append(told_apart(layer, places, scores, score, identity))
    return [one for one in found if one]


def picture_of(file: Path) -> torch.Tensor:
    """A picture [1, 3, H, W] of 0 to 255, as float, so that SLEAP-NN does not round it to whole levels on its way."""
    import cv2

    return torch.from_numpy(cv2.imread(str(file))[:, :, ::-1].astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def differences(ours: list[dict], theirs: list[dict]) -> tuple[float, float]:
    """The largest difference of places and of scores; infinite where another animal or keypoint was found."""
    if len(ours) != len(theirs):
        return float("inf"), float("inf")
    place, score, free = 0.0, 0.0, list(theirs)
    for pose in ours:
        # The nearest of the other side, whichever order they are told in.
        other = min(free, key=lambda one: apart(pose, one)[0])
        free.remove(other)
        far, off = apart(pose, other)
        who = other["identity"]
        if isinstance(who, list):
            off = max(off, *(abs(one - two) for one, two in zip(pose["identity"], who)))
        elif who is not None and int(np.argmax(pose["identity"])) != who:
            off = float("inf")
        place, score = max(place, far), max(score, off)
    return place, score


def apart(one: dict, two: dict) -> tuple[float, float]:
    place, score = 0.0, abs(one["score"] - two["score"])
    for a, b in zip(one["keypoints"], two["keypoints"]):
        if (a is None) != (b is None):
            return float("inf"), float("inf")
        if a is not None:
            place, score = max(place, float(np.hypot(a[0] - b[0], a[1] - b[1]))), max(score, abs(a[2] - b[2]))
    return place, score


def poses(program: Path, model: Path, files: list[Path], library: str | None) -> list[list[dict]]:
    """What `poses_json` reads from the pictures."""
    engine = ["--onnxruntime", library] if library else []
    told = subprocess.run([program, model, *files, *engine], check=True, capture_output=True, text=True).stdout
    return [json.loads(line)["poses"] for line in told.splitlines()]


def library_of_onnxruntime() -> str:
    import onnxruntime

    return str(next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")))


def goldens(predictor, model: Path, file: Path, folder: Path) -> None:
    """Writes the heads of one picture, rounded so that they are small, and what SLEAP-NN reads from just these."""
    import onnxruntime

    layer, picture = predictor.layer, picture_of(file)
    session = onnxruntime.InferenceSession(str(model / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    heads = dict(zip(names, session.run(names, {"image": picture.numpy() / 255})))
    if model.name.startswith("bottom-up"):
        heads = {name: head.numpy() for name, head in crowd(GOLDEN_CROWD, "classes" in model.name).items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, head in heads.items():
        if head.size > 100:
            rounded = (head * 100).round().clip(-127, 127).astype(np.int8)
            rounded.tofile(folder / f"{name}.i8")
            heads[name] = rounded.astype(np.float32) / 100
        else:
            head.tofile(folder / f"{name}.f32")
    heads = {name: torch.from_numpy(head) for name, head in heads.items()}
    found = of_cuttings(layer, heads) if "centroids" in heads else of_maps(layer, heads, picture)
    (folder / "poses.json").write_text(json.dumps(found) + "\n")
    (folder / "model.onnx").write_text("stands in for a network: only its heads are read here\n")
    text = (model / "model.toml").read_text()
    digests = [hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest() for place in (model, folder)]
    text = re.sub(r"command = .*", 'command = "python -m convert.parity_sleap DIR --goldens tests/data/import"', text)
    (folder / "model.toml").write_text(text.replace(*digests))


def compare_crowds(name: str, predictor, model: Path, file: Path, folder: Path, program: Path) -> bool:
    """As `compare`, with heads of drawn crowds in place of a network's."""
    layer, picture = predictor.layer, picture_of(file)
    layer.max_instances = sleap.MAX_ANIMALS
    places, scores, count = [], [], 0
    for seed in range(CROWDS):
        heads = crowd(seed, name == "bottom-up-classes")
        theirs = of_maps(layer, heads, picture)
        ours = poses(program, folder_of(heads, model, folder / name / str(seed)), [file], None)[0]
        place, score = differences(ours, theirs)
        places, scores, count = places + [place], scores + [score], count + len(theirs)
    near = max(places) <= PLACE_MAX and max(scores) <= SCORE_MAX
    print(
        f"{'ok ' if near else 'BAD'} {name:18} {CROWDS} crowds, {count} animals: places differ by at most {max(places):.2g} px, "
        f"scores by {max(scores):.2g}"
    )
    return near


def of_maps(layer, heads: dict, picture: torch.Tensor) -> list[dict]:
    """What a layer with one network reads from heads."""
    named = {"keypoints": "MultiInstanceConfmapsHead", "affinities": "PartAffinityFieldsHead", "identity": "ClassMapsHead"}
    if type(layer).__name__ == "SingleInstanceLayer":
        named["keypoints"] = "SingleInstanceConfmapsHead"
    _, info = layer.preprocess(picture)
    return told(layer, layer.postprocess({named[name]: head for name, head in heads.items()}, info))


def of_cuttings(layer, heads: dict) -> list[dict]:
    """What the second layer of a top-down pair reads from heads, put where the cuttings lay."""
    from sleap_nn.data.instance_cropping import make_centered_bboxes

    inner = layer.centered_instance_layer
    least = layer.centroid_layer.postprocess_config.peak_threshold
    _, info = inner.preprocess(torch.zeros(len(heads["keypoints"]), 3, *layer.crop_size))
    raw = {"CenteredInstanceConfmapsHead": heads["keypoints"]}
    if "identity" in heads:
        raw["ClassVectorsHead"] = heads["identity"][0, 0]
    outputs = inner.postprocess(raw, info)
    centroids = heads["centroids"][0, 0]
    corners = make_centered_bboxes(centroids[:, :2], *layer.crop_size)[:, 0]
    found = []
    for index, (x, y, score) in enumerate(centroids.tolist()):
        if score > least:
            places = (outputs.pred_keypoints[index, 0] + corners[index]).numpy()
            identity = heads["identity"][0, 0, index].tolist() if "identity" in heads else None
            found.append(told_apart(layer, places, outputs.pred_peak_values[index, 0].numpy(), score, identity))
    return [one for one in found if one]


def load(sources: list[Path], **settings):
    """SLEAP-NN's predictor, told to give the classes' likelihoods where it has them."""
    import attrs

    predictor = sleap.load(sources, **settings)
    inner = getattr(predictor.layer, "centered_instance_layer", None)
    if getattr(inner, "class_names", None):
        inner.postprocess_config = attrs.evolve(inner.postprocess_config, return_class_vectors=True)
    return predictor


def compare(name: str, predictor, model: Path, files: list[Path], program: Path) -> bool:
    """Prints how far both engines are from SLEAP-NN; whether that is near enough."""
    with torch.no_grad():
        theirs = [told(predictor.layer, predictor.layer.predict(picture_of(file))) for file in files]
    count = sum(len(one) for one in theirs)
    points = sum(sum(k is not None for k in pose["keypoints"]) for one in theirs for pose in one)
    good = True
    for engine, library in (("built-in", None), ("onnxruntime", library_of_onnxruntime())):
        ours = poses(program, model, files, library)
        place, score = (max(column) for column in zip(*map(differences, ours, theirs)))
        near = place <= PLACE_MAX and score <= SCORE_MAX
        good &= near
        print(
            f"{'ok ' if near else 'BAD'} {name:18} {engine:12} {len(files)} pictures, {count} animals, {points} keypoints: "
            f"places differ by at most {place:.2g} px, scores by {score:.2g}"
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m convert.parity_sleap", description=__doc__)
    parser.add_argument("folder", type=Path, help="where networks, pictures and models are kept")
    parser.add_argument("--program", type=Path, default=Path("../target/debug/examples/poses_json"))
    parser.add_argument("--only", choices=MODELS, help="one model")
    parser.add_argument("--goldens", type=Path, help="also write the heads of one picture for tests/import_sleap.rs here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    good = True
    for name in [given.only] if given.only else MODELS:
        sources = [train(source, given.folder) for source in MODELS[name]]
        model = given.folder / "models" / name
        settings = SETTINGS.get(name, {})
        sleap.convert(sources, model, name, None, 4, **settings)
        predictor, animals = load(sources, **settings), NETWORKS[MODELS[name][-1]][0]
        files = sorted((given.folder / f"pictures-{animals}").glob("*.png"))[:SHOWN]
        good &= compare(name, predictor, model, files, given.program)
        if name.startswith("bottom-up"):
            good &= compare_crowds(name, predictor, model, files[0], given.folder / "crowds", given.program)
        if given.goldens and name in GOLDEN:
            goldens(predictor, model, files[0], given.goldens / f"sleap-{name}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
