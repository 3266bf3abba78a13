"""`python -m convert.deeplabcut`: a network trained with DeepLabCut 3 (PyTorch) becomes a model folder."""

import argparse
import functools
import itertools
import re
import sys
from pathlib import Path

import deeplabcut
import numpy as np
import onnx
import torch
import yaml
from deeplabcut.pose_estimation_pytorch.models import PoseModel
from deeplabcut.pose_estimation_pytorch.models.backbones import resnet

from .contract import Contract, File, Output, Training, write

MAX_ANIMALS = 8
MAX_KEYPOINTS = 24
COLOURS = ("#e2333d", "#7ccdaa", "#77c3dc", "#f6dd4e", "#b07cc6", "#f29e4c", "#9aa0a6", "#ffffff")
SIDES = (("L_", "R_"), ("left", "right"), ("Left", "Right"), ("l_", "r_"))


class Refused(Exception):
    """A network that the line cannot run, in words: where, what was got, what is allowed."""


def find(source: Path, snapshot: Path | None) -> tuple[dict, dict]:
    """The network's configuration and its weights, from a project, a training folder, an export folder or one of their files."""
    if source.suffix == ".pt" or (source.is_dir() and not list(source.rglob("pytorch_config.yaml"))):
        return exported(source)
    configs = [source] if source.is_file() else sorted(source.rglob("train/pytorch_config.yaml"))
    configs = configs or sorted(source.rglob("pytorch_config.yaml"))
    if len(configs) > 1:
        names = ", ".join(str(config.parent) for config in configs)
        raise Refused(f"{source}: got {len(configs)} trained networks; allowed: one; give one of {names}")
    config = yaml.safe_load(configs[0].read_text(encoding="utf-8"))
    weights = snapshot or newest(configs[0].parent)
    return config, torch.load(weights, map_location="cpu", weights_only=True)["model"]


def exported(source: Path) -> tuple[dict, dict]:
    """What `deeplabcut.export_model` wrote: configuration and weights in one file."""
    files = [source] if source.is_file() else sorted(source.rglob("*.pt"))
    if len(files) != 1:
        raise Refused(f"{source}: got {len(files)} exported models; allowed: one; give the .pt file itself")
    content = torch.load(files[0], map_location="cpu", weights_only=True)
    if not {"config", "pose"} <= set(content):
        raise Refused(f"{files[0]}: got no configuration in it; allowed: a file of deeplabcut.export_model, or a training folder")
    return content["config"], content["pose"]


def newest(folder: Path) -> Path:
    """The snapshot that DeepLabCut marked as best, else the last."""
    snapshots = [path for path in folder.glob("snapshot*.pt") if "detector" not in path.name]
    if not snapshots:
        raise Refused(f"{folder}: got no snapshot*.pt; allowed: the folder of a trained network")
    epoch = {path: int((re.findall(r"\d+", path.stem) or ["0"])[-1]) for path in snapshots}
    return max(snapshots, key=lambda path: ("best" in path.name, epoch[path]))


class Deployed(torch.nn.Module):
    """The network with what its predictor does to whole maps: scores of 0 to 1, smoothing, only the fields that are used."""

    def __init__(self, model: PoseModel, bgr: bool) -> None:
        super().__init__()
        self.model, self.bgr = model, bgr
        predictor = model.heads["bodypart"].predictor
        self.sigmoid = predictor.apply_sigmoid
        self.edges = getattr(predictor, "edges_to_keep", None)
        if self.edges is not None:
            size = 2 * int(predictor.nms_radius) + 1
            kernel = predictor.make_2d_gaussian_kernel(sigma=predictor.sigma, size=size)[None, None]
            self.register_buffer("kernel", kernel.repeat(predictor.num_multibodyparts, 1, 1, 1))
        self.meanings = ["heatmaps"] + (["locref"] if refined(model) else [])
        self.meanings += ["affinity"] if self.edges else []
        self.meanings += ["identity"] if self.edges is not None and "identity" in model.heads else []

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One map a meaning."""
        heads = self.model(image[:, [2, 1, 0]] if self.bgr else image)
        body = heads["bodypart"]
        heat = torch.sigmoid(body["heatmap"]) if self.sigmoid else body["heatmap"]
        if self.edges is not None:
            heat = torch.nn.functional.conv2d(heat, self.kernel, padding=self.kernel.shape[-1] // 2, groups=len(self.kernel))
        maps = {"heatmaps": heat}
        if "locref" in self.meanings:
            maps["locref"] = body["locref"]
        if "affinity" in self.meanings:
            channels = [2 * edge + axis for edge in self.edges for axis in (0, 1)]
            whole = channels == list(range(body["paf"].shape[1]))
            maps["affinity"] = body["paf"] if whole else body["paf"][:, channels]
        if "identity" in self.meanings:
            maps["identity"] = heads["identity"]["heatmap"]
        return tuple(maps[meaning] for meaning in self.meanings)


def refined(model: PoseModel) -> bool:
    """The network says where in its cell a keypoint lies."""
    head = model.heads["bodypart"]
    return head.locref_head is not None and getattr(head.predictor, "location_refinement", True)


def check(config: dict) -> None:
    """Refuses what no decoder reads."""
    method = str(config.get("method", "bu")).lower()
    if method != "bu":
        raise Refused(f"method: got {method!r}; allowed: 'bu' (one network on the whole picture)")
    head = config["model"]["heads"].get("bodypart", {})
    kind = head.get("predictor", {}).get("type")
    allowed = ("HeatmapPredictor", "PartAffinityFieldPredictor")
    if kind not in allowed:
        raise Refused(f"model.heads.bodypart.predictor: got {kind!r}; allowed: {', '.join(allowed)}; train another net_type")
    for field in ("add_discarded", "force_fusion"):
        if head["predictor"].get(field):
            raise Refused(f"model.heads.bodypart.predictor.{field}: got true; allowed: false")
    if head["predictor"].get("num_uniquebodyparts"):
        raise Refused("model.heads.bodypart.predictor.num_uniquebodyparts: got some; allowed: 0, in a head of their own")
    for field, most in (("bodyparts", MAX_KEYPOINTS), ("individuals", MAX_ANIMALS)):
        count = len(config["metadata"].get(field) or [])
        if not 1 <= count <= most:
            raise Refused(f"metadata.{field}: got {count}; allowed: 1 to {most}")
    if config["metadata"].get("unique_bodyparts"):
        print("metadata.unique_bodyparts: left out, only body parts of animals are read", file=sys.stderr)


def build(config: dict, weights: dict) -> PoseModel:
    """The network with its weights."""
    # No engine runs a resize with anti-aliasing.
    resnet.resize = plain_resize
    model = PoseModel.build(config["model"])
    model.load_state_dict(weights)
    return model.eval()


def plain_resize(maps: torch.Tensor, size: list[int], antialias: bool = True) -> torch.Tensor:
    """The same as two products of matrices."""
    (height, width), (new_height, new_width) = map(int, maps.shape[-2:]), map(int, size)
    return torch.matmul(torch.matmul(mixing(height, new_height), maps), mixing(width, new_width).T)


@functools.cache
def mixing(old: int, new: int) -> torch.Tensor:
    """What share of each of the old rows is in each of the new ones."""
    return torch.nn.functional.interpolate(torch.eye(old)[None, None], size=[new, old], mode="bilinear", antialias=True)[0, 0]


def picture(config: dict, size: str | None) -> tuple[int, int]:
    """Width and height of the input."""
    inference = (config.get("data") or {}).get("inference") or {}
    resize, padding = inference.get("resize"), inference.get("auto_padding") or {}
    if size:
        if not re.fullmatch(r"\d+x\d+", size):
            raise Refused(f"--size: got {size!r}; allowed: WIDTHxHEIGHT, as 640x480")
        width, height = map(int, size.split("x"))
    elif resize:
        width, height = resize["width"], resize["height"]
    else:
        raise Refused("--size: got none, and the configuration names none; allowed: WIDTHxHEIGHT of the camera's picture")
    for side, value in (("width", width), ("height", height)):
        divisor = padding.get(f"pad_{side}_divisor") or 1
        if not 32 <= value <= 4096 or value % divisor:
            raise Refused(f"--size: got the {side} {value}; allowed: 32 to 4096 in steps of {divisor}")
    return width, height


def normalisation(config: dict) -> tuple[tuple, tuple]:
    """Mean and scale of red, green and blue, 0 to 255."""
    data = config.get("data") or {}
    inference = data.get("inference") or {}
    if inference.get("normalize_images"):
        mean, scale = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        flip = slice(None, None, -1) if data.get("colormode", "RGB") == "BGR" else slice(None)
        return mean[flip], scale[flip]
    return (0.0,) * 3, (255.0,) * 3 if inference.get("scale_to_unit_range") else (1.0,) * 3


def decoder(model: PoseModel, keypoints: list[str], score_min: float) -> dict:
    """The contract's decoder, as the predictor is set."""
    predictor = model.heads["bodypart"].predictor
    if not hasattr(predictor, "assembler"):
        stdev = float(predictor.locref_std) if refined(model) else 0.0
        return {"kind": "heatmap-locref", "score_min": score_min, "locref_stdev": stdev}
    rules = predictor.assembler
    edges = [[keypoints[index] for index in predictor.graph[edge]] for edge in predictor.edges_to_keep]
    return {
        "kind": "part-affinity",
        "animals_max": int(predictor.num_animals),
        # A lone animal takes its best peaks, however low; the predictor itself looks at none below 0.01.
        "keypoint_min": float(rules.pcutoff) if predictor.num_animals > 1 else 0.01,
        "peak_window": int(predictor.nms_radius),
        "locref_stdev": float(predictor.locref_stdev) if refined(model) else 0.0,
        "affinity_min": float(rules.min_affinity),
        # DeepLabCut drops every animal of a network with a single edge; here it needs that one.
        "links_min": min(int(rules.min_n_links), len(edges)),
        "overlap_max": float(rules.max_overlap),
        "edges": edges,
    }


def skeleton(source: Path, keypoints: list[str]) -> list[tuple[str, str]]:
    """The lines that the project draws, if the source lies in one."""
    for folder in (source, *source.resolve().parents):
        file = folder / "config.yaml"
        if file.is_file():
            lines = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("skeleton") or []
            pairs = [pair for line in lines for pair in itertools.pairwise(line)]
            return [pair for pair in pairs if set(pair) <= set(keypoints)]
    return []


def left_right(keypoints: list[str]) -> list[tuple[str, str]]:
    """Pairs of keypoints whose names differ only by side."""
    pairs = [(name, name.replace(left, right)) for left, right in SIDES for name in keypoints if left in name]
    return [pair for pair in pairs if pair[1] in keypoints]


def write_onnx(deployed: Deployed, path: Path, width: int, height: int) -> list[tuple[int, ...]]:
    """Writes the network, holds it against itself in ONNX Runtime, and gives the shapes of its outputs."""
    image = torch.rand(1, 3, height, width) * 4 - 2
    with torch.no_grad():
        # Before the export, so that what depends on the size alone is known to it as numbers.
        own = [tensor.numpy() for tensor in deployed(image)]
        torch.onnx.export(
            deployed, (image,), str(path), input_names=["image"], output_names=deployed.meanings, opset_version=17, dynamo=False
        )  # fmt: skip
    onnx.checker.check_model(onnx.load(path), full_check=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for meaning, wanted, got in zip(deployed.meanings, own, session.run(None, {"image": image.numpy()})):
        off = float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))
        if not off < 1e-3:
            raise Refused(f"output {meaning}: got {off} off the network in PyTorch; allowed: below 0.001")
    return [tensor.shape for tensor in own]


def convert(
    source: Path, out: Path, name: str | None = None, size: str | None = None, snapshot: Path | None = None, score_min: float = 0.1
) -> None:
    """Writes the model folder."""
    config, weights = find(source, snapshot)
    check(config)
    width, height = picture(config, size)
    model = build(config, weights)
    deployed = Deployed(model, (config.get("data") or {}).get("colormode", "RGB") == "BGR").eval()
    out.mkdir(parents=True, exist_ok=True)
    shapes = write_onnx(deployed, out / "model.onnx", width, height)
    meta = config["metadata"]
    keypoints = list(meta["bodyparts"])
    names = meta["individuals"] if "identity" in deployed.meanings else []
    strides = {meaning: model.get_stride("identity" if meaning == "identity" else "bodypart") for meaning in deployed.meanings}
    if odd := [stride for stride in strides.values() if stride < 1 or stride != int(stride)]:
        raise Refused(f"stride: got {odd[0]}; allowed: whole numbers from 1; train another net_type")
    mean, scale = normalisation(config)
    written = Contract(
        name=name or out.resolve().name,
        about=f"A {config.get('net_type')} network of DeepLabCut, {width}x{height}.",
        keypoints=keypoints,
        skeleton=skeleton(source, keypoints),
        left_right=left_right(keypoints),
        identities=list(zip(names, COLOURS)),
        width=width,
        height=height,
        decoder=decoder(model, keypoints, score_min),
        outputs=[Output(m, m, tuple(shape), int(strides[m])) for m, shape in zip(deployed.meanings, shapes)],
        files=[File("model.onnx", "fp32", 0.0)],
        training=Training(
            command=f"trained with DeepLabCut, imported by deeplabcut {deeplabcut.__version__}",
            seed=int((config.get("train_settings") or {}).get("seed") or 0),
            data="the frames labelled in its DeepLabCut project",
            scores_on="nothing yet; `arenad model verify` or DeepLabCut's own evaluation can tell",
        ),
        mean=mean,
        scale=scale,
    )
    write(out, written)


def main() -> None:
    """The command; exit code 2 and one line where the source cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m convert.deeplabcut", description=__doc__)
    parser.add_argument("source", type=Path, help="a project, a training folder, or what deeplabcut.export_model wrote")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the model's folder")
    parser.add_argument("--name", help="the model's name (default: the folder's)")
    parser.add_argument("--size", metavar="WxH", help="the network's picture; the camera's own size is read without scaling")
    parser.add_argument("--snapshot", type=Path, metavar="FILE", help="these weights (default: the best, else the last)")
    parser.add_argument("--score-min", type=float, default=0.1, help="a lone animal with a lower mean score is not there")
    args = parser.parse_args()
    try:
        convert(args.source, args.out, args.name, args.size, args.snapshot, args.score_min)
    except Refused as why:
        print(f"convert.deeplabcut: {why}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
