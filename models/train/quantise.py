"""`python -m train.quantise`: writes model.int8.onnx and model.u8.onnx beside a folder's model.onnx, and their loss into model.toml.

Explicit QuantizeLinear/DequantizeLinear: `int8` signed and symmetric with a scale a channel for weights, as TensorRT wants it; `u8` with unsigned
activations, where ONNX Runtime on a CPU is fast. Ranges are taken from labelled pictures.
"""

import argparse
import random
import tempfile
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from convert.contract import File, rewrite_files

from . import labels as dlc
from .decode import Decoder
from .score import score

NAMES = {"int8": "model.int8.onnx", "u8": "model.u8.onnx"}


class Pictures(CalibrationDataReader):
    """Feeds pictures as the network takes them."""

    def __init__(self, paths: list[Path], entry, scale: np.ndarray, mean: np.ndarray):
        self.paths, self.entry, self.scale, self.mean = iter(paths), entry, scale, mean

    def get_next(self):
        """The next input, None after the last."""
        path = next(self.paths, None)
        if path is None:
            return None
        return {self.entry.name: tensor(cv2.imread(str(path), cv2.IMREAD_COLOR), self.entry.shape, self.mean, self.scale)}


def tensor(image: np.ndarray, shape, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A BGR picture as (1, 3, H, W), cut or padded to the input's size."""
    canvas = np.zeros((shape[2], shape[3], 3), np.uint8)
    rows, columns = min(shape[2], image.shape[0]), min(shape[3], image.shape[1])
    canvas[:rows, :columns] = image[:rows, :columns]
    values = (canvas[:, :, ::-1].astype(np.float32) - mean) / scale
    return np.ascontiguousarray(values.transpose(2, 0, 1))[None]


def runner(file: Path, mean: np.ndarray, scale: np.ndarray):
    """What `score` calls: a BGR picture to five heads (an empty one where the model has no identities)."""
    options = onnxruntime.SessionOptions()
    # As the program does: without it, INT8 sums overflow on x86-64 processors that lack VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]

    def run(image):
        heads = [head[0] for head in session.run(None, {entry.name: tensor(image, entry.shape, mean, scale)})]
        return heads if len(heads) == 5 else [*heads, np.zeros((0, *heads[1].shape[1:]), np.float32)]

    return run


def write(source: Path, target: Path, precision: str, paths: list[Path], mean: np.ndarray, scale: np.ndarray) -> None:
    """Quantises `source` into `target`. The heads, its last convolutions, stay in floating point: they are a fiftieth of the work, and
    places and names are read from small differences in what they say."""
    entry = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"]).get_inputs()[0]
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        signed = precision == "int8"
        quantize_static(
            str(ready), str(target), Pictures(paths, entry, scale, mean),
            quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Add", "Relu", "Resize", "MaxPool"],
            nodes_to_exclude=heads(ready),
            extra_options={
                "ActivationSymmetric": signed, "WeightSymmetric": True, "AddQDQPairToWeight": signed,
                "QuantizeBias": not signed, "CalibMovingAverage": True, "CalibTensorRangeSymmetric": signed,
            },
        )  # fmt: skip
    onnx.checker.check_model(str(target), full_check=True)


def heads(path: Path) -> list[str]:
    """The convolutions after which no other comes."""
    nodes = onnx.load(path).graph.node
    readers: dict[str, list] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def last(node) -> bool:
        after = [reader for name in node.output for reader in readers.get(name, [])]
        return all(reader.op_type != "Conv" and last(reader) for reader in after)

    return [node.name for node in nodes if node.op_type == "Conv" and last(node)]


def picked(paths: list[Path], most: int, seed: int) -> list[Path]:
    """At most so many of them, the same ones each time."""
    return random.Random(seed).sample(paths, min(most, len(paths)))


def pictures_below(folder: Path) -> list[Path]:
    """All pictures of a folder and the folders in it, by name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not found:
        raise SystemExit(f"{folder}: no .png or .jpg in it; give folders of pictures such as the camera takes")
    return found


def quantise(folder: Path, val: dlc.Labels, pictures: list[Path], loss_max: float, say=print) -> None:
    """Writes both files with ranges from `pictures`, scores all three on `val` and states the loss that each may have."""
    contract = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    mean, scale = (np.array(contract["input"][key], np.float32) for key in ("mean", "scale"))
    decoder = Decoder.read(contract["decoder"], contract["keypoints"])
    files = [File("model.onnx", "fp32", 0.0)]
    for precision, name in NAMES.items():
        write(folder / "model.onnx", folder / name, precision, pictures, mean, scale)
        files.append(File(name, precision, loss_max))
    for file in files:
        figures = score(runner(folder / file.name, mean, scale), val, decoder, most=200).summary()
        words = " ".join(f"{name} {value:.4f}" for name, value in figures.items())
        say(f"{file.name} ({(folder / file.name).stat().st_size} bytes): {words}")
    rewrite_files(folder, files)


def main() -> None:
    """Quantises a folder."""
    parser = argparse.ArgumentParser(prog="python -m train.quantise", description=__doc__)
    parser.add_argument("folder", type=Path, help="model folder with model.onnx and model.toml")
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, metavar="DIR", help="folders whose pictures set the ranges")
    parser.add_argument("--each", type=int, default=48, help="how many pictures of each folder (default 48)")
    parser.add_argument("--val", required=True, metavar="DIR", help="DeepLabCut folder to score on")
    parser.add_argument("--loss-max", type=float, default=0.01, help="share of accuracy that a file may lose (default 0.01)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    contract = tomllib.loads((args.folder / "model.toml").read_text(encoding="utf-8"))
    val = dlc.read([args.val], contract["keypoints"], [one["name"] for one in contract["identities"]])
    pictures = [one for folder in args.pictures for one in picked(pictures_below(folder), args.each, args.seed)]
    quantise(args.folder, val, pictures, args.loss_max)


if __name__ == "__main__":
    main()
