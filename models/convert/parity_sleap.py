"""Holds the import of SLEAP-NN networks against SLEAP-NN itself: `python -m convert.parity_sleap DIR [--program PROGRAM]`.

Trains small networks of each kind with the real package on drawn pictures (kept in DIR, so that a second run is quick), imports
them, and compares what `poses_json` reads with what SLEAP-NN's own inference gives: places within 0.1 px, scores within 0.001.
PROGRAM is the built example, `target/debug/examples/poses_json` without it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from . import sleap

NODES = ["nose", "neck", "hip", "tail"]
EDGES = [("neck", "nose"), ("neck", "hip"), ("hip", "tail")]
CLASSES = ["ann", "bob"]
WIDTH, HEIGHT, CROP = 160, 128, 64
PICTURES, SHOWN = 120, 8
PLACE_MAX, SCORE_MAX = 0.1, 1e-3


def animal(dice: np.random.Generator, taken: list[np.ndarray]) -> np.ndarray:
    """Keypoints [4, 2] of one animal, away from those before."""
    for _ in range(200):
        middle, turn = dice.uniform((28, 28), (WIDTH - 28, HEIGHT - 28)), dice.uniform(0, 2 * np.pi)
        along = np.array([22.0, 10.0, -8.0, -22.0])[:, None] * [np.cos(turn), np.sin(turn)]
        points = middle + along + dice.normal(0, 1.0, (4, 2))
        if all(np.linalg.norm(points.mean(0) - other.mean(0)) > 44 for other in taken):
            break
    return points


def draw(dice: np.random.Generator, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A picture [HEIGHT, WIDTH, 3] of `count` animals, the colour of the first other than that of the second, and their keypoints."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = dice.normal(30, 6, (HEIGHT, WIDTH, 3))
    animals = []
    for index in range(count):
        points = animal(dice, animals)
        animals.append(points)
        coat = np.array([(210, 90, 70), (70, 110, 220)][index % 2])
        for (px, py), size, shade in zip(points, (3.0, 6.0, 7.0, 2.5), (1.2, 0.7, 1.0, 0.5)):
            blob = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * size**2))[:, :, None]
            picture = picture * (1 - blob) + blob * coat * shade
    return picture.clip(0, 255).astype(np.uint8), animals


def dataset(folder: Path, count: int) -> tuple[Path, list[Path]]:
    """Labels (.slp) of drawn pictures with `count` animals, and the first pictures' files."""
    import cv2
    import sleap_io as sio

    folder.mkdir(parents=True, exist_ok=True)
    labels_file, dice = folder / "labels.slp", np.random.default_rng(count)
    files = [folder / f"{index:03}.png" for index in range(PICTURES)]
    skeleton = sio.Skeleton(nodes=[sio.Node(name) for name in NODES], name="animal")
    for edge in EDGES:
        skeleton.add_edge(*edge)
    tracks = [sio.Track(name) for name in CLASSES]
    drawn = [draw(dice, count) for _ in files]
    for file, (picture, _) in zip(files, drawn):
        cv2.imwrite(str(file), picture[:, :, ::-1])
    video = sio.Video.from_filename([str(file) for file in files])
    frames = [
        sio.LabeledFrame(
            video=video,
            frame_idx=index,
            instances=[
                sio.Instance.from_numpy(points, skeleton=skeleton, track=track) for points, track in zip(animals, tracks)
            ],
        )
        for index, (_, animals) in enumerate(drawn)
    ]
    sio.Labels(videos=[video], skeletons=[skeleton], tracks=tracks, labeled_frames=frames).save(str(labels_file), embed=False)
    return labels_file, files[:SHOWN]


def maps(stride: int, **more) -> dict:
    return {"part_names": None, "sigma": 3.0, "output_stride": stride, **more}


# Name, animals in a picture, head configuration, output stride of the backbone, channels, scale, epochs.
NETWORKS = {
    "single": (1, {"single_instance": {"confmaps": maps(2)}}, 2, 3, 1.0, 6),
    "single-grey-half": (1, {"single_instance": {"confmaps": maps(2)}}, 2, 1, 0.5, 6),
    "single-odd-scale": (1, {"single_instance": {"confmaps": maps(4)}}, 4, 3, 0.7, 6),
    "centroid": (2, {"centroid": {"confmaps": {"anchor_part": None, "sigma": 4.0, "output_stride": 2}}}, 2, 1, 0.5, 6),
    "instance": (2, {"centered_instance": {"confmaps": maps(2, anchor_part=None)}}, 2, 3, 1.0, 6),
    "bottom-up": (
        2,
        {"bottomup": {"confmaps": maps(2, loss_weight=1.0), "pafs": {"edges": None, "sigma": 8.0, "output_stride": 4, "loss_weight": 1.0}}},
        2, 3, 1.0, 10,
    ),
    "bottom-up-classes": (
        2,
        {
            "multi_class_bottomup": {
                "confmaps": maps(2, loss_weight=1.0),
                "class_maps": {"classes": None, "sigma": 8.0, "output_stride": 4, "loss_weight": 1.0},
            }
        },
        2, 3, 1.0, 10,
    ),
    "instance-classes": (
        2,
        {
            "multi_class_topdown": {
                "confmaps": maps(2, anchor_part=None, loss_weight=1.0),
                "class_vectors": {
                    "classes": None,
                    "num_fc_layers": 1,
                    "num_fc_units": 32,
                    "global_pool": True,
                    "output_stride": 2,
                    "loss_weight": 0.1,
                },
            }
        },
        2, 3, 1.0, 10,
    ),
}  # fmt: skip

# The sources of each imported model.
MODELS = {
    "single": ["single"],
    "single-grey-half": ["single-grey-half"],
    "single-odd-scale": ["single-odd-scale"],
    "top-down": ["centroid", "instance"],
    "bottom-up": ["bottom-up"],
    "bottom-up-classes": ["bottom-up-classes"],
    "top-down-classes": ["centroid", "instance-classes"],
}


def train(name: str, folder: Path) -> Path:
    """A training folder of the real package, made where there is none."""
    from sleap_nn.train import train as run

    count, heads, stride, channels, scale, epochs = NETWORKS[name]
    if not (folder / name / "best.ckpt").exists():
        labels, _ = dataset(folder / f"pictures-{count}", count)
        backbone = {"in_channels": channels, "filters": 8, "filters_rate": 1.5, "max_stride": 8, "output_stride": stride}
        run(
            train_labels_path=[str(labels)],
            use_same_data_for_val=True,
            ensure_rgb=channels == 3,
            ensure_grayscale=channels == 1,
            scale=scale,
            max_height=HEIGHT,
            max_width=WIDTH,
            crop_size=CROP,
            use_augmentations_train=False,
            backbone_config={"unet": backbone},
            head_configs=heads,
            batch_size=4,
            min_train_steps_per_epoch=30,
            train_steps_per_epoch=30,
            max_epochs=epochs,
            learning_rate=3e-3,
            trainer_accelerator="cpu",
            enable_progress_bar=False,
            save_ckpt=True,
            ckpt_dir=str(folder),
            run_name=name,
            seed=1,
        )
    return folder / name


def reference(predictor, file: Path) -> list[dict]:
    """What SLEAP-NN's own inference says of one picture: score, keypoints [x, y, score] or None, identity or None."""
    import cv2

    # As float, so that a grey picture is not rounded to whole levels on the way.
    picture = cv2.imread(str(file))[:, :, ::-1].astype(np.float32)
    outputs = predictor.layer.predict(torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous())
    points, values = outputs.pred_keypoints[0].numpy(), outputs.pred_peak_values[0].numpy()
    kind = type(predictor.layer).__name__
    found = []
    for index, (places, scores) in enumerate(zip(points, values)):
        keypoints = [
            None if np.isnan(place).any() else [float(place[0]), float(place[1]), min(float(score), 1.0)]
            for place, score in zip(places, scores)
        ]
        if not any(keypoints):
            continue
        score = float(outputs.instance_scores[0, index]) if outputs.instance_scores is not None else None
        if kind == "SingleInstanceLayer":
            score = float(np.nansum(scores)) / len(NODES)
        if kind == "BottomUpLayer":
            score = score / len(EDGES)
        identity = None
        if outputs.pred_class_vectors is not None:
            identity = [float(value) for value in outputs.pred_class_vectors[0, index]]
        elif kind == "BottomUpMultiClassLayer":
            identity = index
        found.append({"score": min(max(score, 0.0), 1.0), "keypoints": keypoints, "identity": identity})
    return found


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m convert.parity_sleap", description=__doc__)
    parser.add_argument("folder", type=Path, help="where networks, pictures and models are kept")
    parser.add_argument("--program", type=Path, default=Path("../target/debug/examples/poses_json"))
    parser.add_argument("--only", choices=MODELS, help="one model")
    given = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in [given.only] if given.only else MODELS:
        sources = [train(source, given.folder) for source in MODELS[name]]
        model = given.folder / "models" / name
        sleap.convert(sources, model, name, None, 4)
        predictor = sleap.load(sources)
        _, files = NETWORKS[MODELS[name][-1]][0], sorted((given.folder / f"pictures-{NETWORKS[MODELS[name][-1]][0]}").glob("*.png"))[:SHOWN]
        from sleap_nn.inference.layers import topdown_multiclass

        if isinstance(predictor.layer, topdown_multiclass.TopDownMultiClassLayer):
            import attrs

            inner = predictor.layer.centered_instance_layer
            inner.postprocess_config = attrs.evolve(inner.postprocess_config, return_class_vectors=True)
        theirs = [reference(predictor, file) for file in files]
        count = sum(len(one) for one in theirs)
        points = sum(sum(k is not None for k in pose["keypoints"]) for one in theirs for pose in one)
        for engine, library in (("built-in", None), ("onnxruntime", library_of_onnxruntime())):
            ours = poses(given.program, model, files, library)
            place, score = (max(column) for column in zip(*map(differences, ours, theirs)))
            good = place <= PLACE_MAX and score <= SCORE_MAX
            failed |= not good
            print(
                f"{'ok ' if good else 'BAD'} {name:18} {engine:12} {len(files)} pictures, {count} animals, {points} keypoints: "
                f"places differ by at most {place:.4f} px, scores by {score:.6f}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
