"""How fast networks train, what made it so, and what Lightning costs.

    python benchmarks/train_speed.py [--data fer2013.csv.gz] [--networks shallow agrawal deep] [--steps 12]

writes benchmarks/results/train_speed.json. Without data the images are drawn; their values do not matter for speed.
Each variant of the bare loop runs in a process of its own, since the way memory is handled cannot be taken back. The
loop with everything on is the same computation as the plain one, in another order of exact steps; dropout draws its
mask in another way. `backbones train` is timed against that loop, and in
bfloat16 against 32 bits, in one process, taking turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from torch import Tensor, nn
from torch.nn import functional

from backbones.architectures import PRESETS, build
from backbones.architectures.layers import Dropout, SameConv2d, multiply_adds, same_padding
from backbones.augmentation import Augmentation
from backbones.batches import Batches, resident
from backbones.classifier import Classifier
from backbones.configuration import RunConfig
from backbones.faces import CLASSES, Faces, FaceSplit, complete
from backbones.runs import Run
from backbones.training import Keeper, ignore_lightning_advice, keep_freed_memory, make_trainer

RESULTS = Path(__file__).parent / "results" / "train_speed.json"
BATCH = 128
CHANGES = ("kept_memory", "own_dropout", "relu_last", "channels_last", "fused_adam", "no_denormals")
"""Each is added to those before it."""
EXTRA = ("no_augmentation", "compiled")
"""Tried on top of everything; not used."""


def draw_faces(n_batches: int) -> Faces:
    """Draw as many images as the steps need."""
    rng = np.random.default_rng(0)
    splits = {}
    for name, count in (("train", BATCH * n_batches), ("val", 64), ("test", 7)):
        images = rng.integers(0, 256, (count, 48, 48), dtype=np.uint8)
        splits[name] = FaceSplit(images, (np.arange(count) % 7).astype(np.int64))
    return complete(splits, CLASSES)


def load(data: Path | None, n_batches: int) -> Faces:
    """Return real images if there are some, as many as the steps need."""
    if data is None:
        return draw_faces(n_batches)
    from backbones.fer2013 import load_faces

    faces = load_faces(data)
    rows = BATCH * n_batches
    train = FaceSplit(np.array(faces.train.images[:rows]), faces.train.labels[:rows])
    val = FaceSplit(np.array(faces.val.images[:64]), faces.val.labels[:64])
    return complete({"train": train, "val": val, "test": val}, CLASSES)


def plain_order(network: nn.Module, changes: set[str]) -> nn.Module:
    """Put a network's layers back into the order and the kinds of the plain version, but for the changes wanted."""

    def replaced(layer: nn.Module) -> nn.Module:
        return nn.Dropout(layer.rate) if isinstance(layer, Dropout) and "own_dropout" not in changes else layer

    def before_pooling(layers: list[nn.Module]) -> Iterator[nn.Module]:
        waiting: list[nn.Module] = []
        for layer in layers:
            if isinstance(layer, (Dropout, nn.Dropout, nn.MaxPool2d)):
                waiting.append(layer)
            elif isinstance(layer, nn.ReLU):
                yield from (nn.ReLU(), *waiting)
                waiting = []
            else:
                yield layer

    for name, part in network.named_children():
        layers = [replaced(layer) for layer in part.children()]
        pools = any(isinstance(layer, nn.MaxPool2d) for layer in layers)
        setattr(
            network, name, nn.Sequential(*(before_pooling(layers) if pools and "relu_last" not in changes else layers))
        )
    return network


def bare_loop(network: str, faces: Faces, changes: set[str]) -> Callable[[], int]:
    """Return a function that trains one epoch without Lightning and returns how many images it saw."""
    torch.manual_seed(0)
    model = plain_order(build(network, dropout=PRESETS[network].dropout, n_classes=7, size=48), changes).train()
    fused = True if "fused_adam" in changes else None
    if "channels_last" in changes:
        model = model.to(memory_format=torch.channels_last)
    forward: Callable[[Tensor], Tensor] = torch.compile(model) if "compiled" in changes else model
    augmentation = nn.Identity() if "no_augmentation" in changes else Augmentation().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-7, fused=fused)
    batches = Batches(*resident(faces.train), BATCH, lambda: (0, 0, 1), 0)

    def epoch() -> int:
        seen = 0
        for images, labels in batches:
            loss = functional.cross_entropy(forward(augmentation(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            seen += len(labels)
        return seen

    return epoch


def time_variant(network: str, data: Path | None, steps: int, threads: int, changes: set[str]) -> float:
    """Return the images per second of one variant in this process."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal("no_denormals" in changes)
    if "kept_memory" in changes:
        keep_freed_memory()
    bare_loop(network, load(data, 3), changes)()
    epoch = bare_loop(network, load(data, steps), changes)
    start = time.perf_counter()
    return epoch() / (time.perf_counter() - start)


def variants() -> dict[str, list[str]]:
    """Return each variant's name and its changes."""
    found = {"plain": []}
    for number, change in enumerate(CHANGES, start=1):
        found[f"+ {change}"] = list(CHANGES[:number])
    for change in EXTRA:
        found[f"+ {change}"] = [*CHANGES, change]
    return found


def measure_variants(network: str, options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Time all variants in turn, each several times in processes of their own."""
    rates: dict[str, list[float]] = {name: [] for name in variants()}
    for _ in range(options.rounds):
        for name, changes in variants().items():
            command = [
                sys.executable,
                __file__,
                "--variant",
                network,
                "--steps",
                str(options.steps),
                "--threads",
                str(threads),
            ]
            command += ["--data", str(options.data)] if options.data else []
            done = subprocess.run([*command, "--changes", *changes], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                rates[name].append(float(done.stdout.split()[-1]))
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    return {name: {"images_per_second": rate, "over_plain": rate / medians["plain"]} for name, rate in medians.items()}


def matrix_rate(threads: int) -> float:
    """Return the multiply-adds per second of a float32 matrix product."""
    torch.set_num_threads(threads)
    first, second = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        first @ second
        best = max(best, 2048**3 / (time.perf_counter() - start))
    return best


def image_multiply_adds(network: nn.Module) -> float:
    """Return the multiply-adds of a forward pass that touch the image: the library skips those with padding."""
    skipped = 0.0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal skipped
        assert isinstance(layer, SameConv2d)
        size, kernel, stride = inputs[0].shape[-1], layer.kernel_size[0], layer.stride[0]
        before, after = same_padding(size, kernel, stride)
        ones = functional.pad(torch.ones(1, 1, size, size), (before, after, before, after))
        touched = functional.conv2d(ones, torch.ones(1, 1, kernel, kernel), stride=stride).mean().item() / kernel**2
        skipped += (1 - touched) * output[0].numel() * layer.weight[0].numel()

    hooks = [part.register_forward_hook(count) for part in network.modules() if isinstance(part, SameConv2d)]
    every = multiply_adds(network, (1, 48, 48))
    for hook in hooks:
        hook.remove()
    return every - skipped


class Clock(Keeper):
    """Times the training part of an epoch and writes nothing."""

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Note the time."""
        self.end = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """Keep nothing."""


def quick_start(threads: int) -> None:
    """Set PyTorch up as `backbones train` does."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    keep_freed_memory()
    ignore_lightning_advice()


def lightning_rate(config: RunConfig, faces: Faces, seen: int) -> float:
    """Return the images per second of one epoch as `backbones train` runs it."""
    clock = Clock(Run(Path("unused")), config, None)
    make_trainer(config, clock, "cpu", 1, None, show=False).fit(Classifier(config, faces))
    return seen / (clock.end - clock.start)


def measure_lightning(network: str, options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Time the training loop of `backbones train` against the tuned bare loop, taking turns in this process."""
    quick_start(threads)
    faces = load(options.data, options.steps)
    config = RunConfig.for_faces(network, faces, epochs=1, batch_size=BATCH, schedule="onecycle")
    ratios, ours, theirs = [], [], []
    for number in range(options.rounds + 1):
        # Both sides start with a fresh network and optimiser.
        epoch = bare_loop(network, faces, set(CHANGES))
        start = time.perf_counter()
        seen = epoch()
        bare = seen / (time.perf_counter() - start)
        rate = lightning_rate(config, faces, seen)
        if number:
            ratios.append(rate / bare)
            ours.append(rate)
            theirs.append(bare)
    return {
        "backbones_images_per_second": statistics.median(ours),
        "bare_images_per_second": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "wanted_at_least": 0.98,
    }


def measure_precision(network: str, options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Time training in bfloat16 against training in 32 bits, taking turns in this process."""
    quick_start(threads)
    faces = load(options.data, options.steps)
    shared = {"epochs": 1, "batch_size": BATCH, "schedule": "onecycle"}
    rates: dict[str, list[float]] = {"32-true": [], "bf16-mixed": []}
    for number in range(options.rounds + 1):
        for precision, found in rates.items():
            config = RunConfig.for_faces(network, faces, precision=precision, **shared)
            rate = lightning_rate(config, faces, BATCH * options.steps)
            if number:
                found.append(rate)
    pairs = zip(rates["bf16-mixed"], rates["32-true"], strict=True)
    medians = {f"{name}_images_per_second": statistics.median(found) for name, found in rates.items()}
    return {**medians, "ratio": statistics.median(ours / theirs for ours, theirs in pairs)}


def main() -> None:
    """Measure and write down, or time one variant for the process that asks for it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parts = ("variants", "lightning", "precision")
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=parts)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--variant", choices=list(PRESETS), help=argparse.SUPPRESS)
    parser.add_argument("--changes", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(time_variant(options.variant, options.data, options.steps, options.threads, set(options.changes)))
        return
    results: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    results["machine"] = describe() | {"torch": torch.__version__}
    results["threads"] = options.threads
    results["matrix_product_multiply_adds_per_second"] = matrix_rate(options.threads)
    for network in options.networks:
        part = results.setdefault(network, {})
        if "variants" in options.parts:
            part["variants"] = measure_variants(network, options, options.threads)
            model = build(network, dropout=PRESETS[network].dropout, n_classes=7, size=48)
            # A step costs about three forward passes: forward, gradients of the inputs, gradients of the weights.
            cost = 3 * image_multiply_adds(model)
            tuned = part["variants"][f"+ {CHANGES[-1]}"]["images_per_second"]
            part["share_of_matrix_rate"] = tuned * cost / results["matrix_product_multiply_adds_per_second"]
        if "lightning" in options.parts:
            part["lightning"] = measure_lightning(network, options, options.threads)
        if "precision" in options.parts:
            part["precision"] = measure_precision(network, options, options.threads)
        print(json.dumps({network: part}, indent=2), flush=True)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
