"""Small networks to test the import with: trained by SLEAP-NN itself, for a minute each, on drawn pictures."""

from pathlib import Path

import numpy as np

NODES = ["nose", "neck", "hip", "tail"]
EDGES = [("neck", "nose"), ("neck", "hip"), ("hip", "tail")]
CLASSES = ["ann", "bob"]
WIDTH, HEIGHT, CROP = 160, 128, 64
PICTURES, SHOWN = 120, 8


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
    """A picture [HEIGHT, WIDTH, 3] of `count` animals in two colours by turns, and their keypoints."""
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
        {
            "bottomup": {
                "confmaps": maps(2, loss_weight=1.0),
                "pafs": {"edges": None, "sigma": 12.0, "output_stride": 4, "loss_weight": 20.0},
            }
        },
        2, 3, 1.0, 15,
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
    "bottom-up-loose": ["bottom-up"],
    "bottom-up-classes": ["bottom-up-classes"],
    "top-down-classes": ["centroid", "instance-classes"],
}

# Of one SLEAP-NN predictor's settings those that differ from its own. Loose: more peaks, and lines of a hardly trained network.
SETTINGS = {"bottom-up-loose": {"peak_threshold": 0.1, "min_line_scores": -0.5, "max_instances": 8}}


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
