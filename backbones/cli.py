"""The ``backbones`` command."""

import io
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO

import typer

from backbones.errors import BackbonesError, DataWarning
from backbones.names import printable
from backbones.program import HelpfulCommand, HelpfulGroup

app = typer.Typer(
    name="backbones",
    cls=HelpfulGroup,
    help="Train the networks of the FER2013 ensemble study, ending in prediction arrays for ensembler.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Architecture = Annotated[str, typer.Argument(help="deep, shallow or agrawal.", show_default=False)]
Data = Annotated[
    Path,
    typer.Option(
        help="fer2013.csv, icml_face_data.csv or train.csv (gzipped or not), or a folder of image folders.",
        show_default=False,
    ),
]
Cache = Annotated[Path | None, typer.Option(help="Folder for the decoded images; by default beside the data.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse data whose class counts are not the official ones.")]
Seed = Annotated[int, typer.Option(help="Random seed of the weights, the order of rows and the augmentation.")]
Epochs = Annotated[int | None, typer.Option(help="Largest number of epochs (default: 80).")]
BatchSize = Annotated[int | None, typer.Option(help="Images a step (default: 128).")]
Rate = Annotated[float | None, typer.Option(help="Learning rate: the start with plateau, the peak with onecycle.")]
Decay = Annotated[float | None, typer.Option(help="L2 penalty (default: 1e-7).")]
Dropout = Annotated[float | None, typer.Option(help="Share of values dropped (default: 0.3; agrawal has none).")]
Schedule = Annotated[
    str | None, typer.Option(metavar="plateau|onecycle", help="Divide the rate when stuck (default), or one cycle.")
]
Patience = Annotated[
    int | None, typer.Option(help="Stop after so many epochs without progress (default: 10 with plateau).")
]
Flip = Annotated[float | None, typer.Option(help="Probability of a horizontal flip (default: 0.5).")]
Scale = Annotated[float | None, typer.Option(help="Largest change of scale, as a share (default: 0).")]
Mixup = Annotated[
    float | None, typer.Option(help="Mix images and labels in pairs: alpha of the Beta distribution (default: 0).")
]
WeightAveraging = Annotated[
    float | None, typer.Option(help="Decay a step of a moving average of the weights, such as 0.999 (default: 0).")
]
Normalization = Annotated[
    str | None,
    typer.Option(
        metavar="raw|histogram-equalised|local-contrast", help="Input normalisation of every image (default: raw)."
    ),
]
Width = Annotated[float | None, typer.Option(help="Multiplies filters and hidden units (default: 1).")]
Degrees = Annotated[float | None, typer.Option(help="Largest rotation (default: 10).")]
Shift = Annotated[float | None, typer.Option(help="Largest shift as a share of the side (default: 0.1).")]
Erasing = Annotated[float | None, typer.Option(help="Probability that a patch is erased (default: 0).")]
Smoothing = Annotated[float | None, typer.Option(help="Target probability spread over all classes (default: 0).")]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="32-true|bf16-mixed",
        help="bf16-mixed trains faster where the processor has bfloat16 instructions, and slower elsewhere.",
    ),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, gpu, …: Lightning's accelerators.")]
Devices = Annotated[str, typer.Option(help="Number of devices, or auto.")]
FlipAveraging = Annotated[bool, typer.Option("--flip-averaging", help="Average over each image and its mirror image.")]
ShiftAveraging = Annotated[
    int,
    typer.Option(
        metavar="PIXELS",
        help="Average over each image and those moved by so many pixels to eight sides.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command(cls=HelpfulCommand)
def summary(as_json: AsJson = False) -> None:
    """Show the three networks: layers, trainable parameters, multiply-adds of one image."""
    from backbones.architectures import PRESETS, build
    from backbones.architectures.layers import multiply_adds, trainable_parameters

    networks: list[dict[str, Any]] = []
    for name, start in PRESETS.items():
        built = build(name, dropout=start.dropout, n_classes=7, size=48)
        networks.append(
            {
                "name": name,
                "trainable_parameters": trainable_parameters(built),
                "multiply_adds": multiply_adds(built, (1, 48, 48)),
                "layers": [str(layer) for part in built.children() for layer in part.children()],
            }
        )
    if as_json:
        typer.echo(json.dumps({"networks": networks}, indent=2))
        return
    for network in networks:
        cost = f"{network['multiply_adds'] / 1e6:.1f} M multiply-adds"
        typer.echo(f"{network['name']}: {network['trainable_parameters']:,} parameters, {cost}")
        for layer in network["layers"]:
            typer.echo(f"    {layer}")


@app.command(cls=HelpfulCommand)
def train(
    architecture: Architecture,
    data: Data,
    out: Annotated[Path, typer.Option(help="The run's folder; its name becomes the member's.", show_default=False)],
    seed: Seed = 0,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: Rate = None,
    weight_decay: Decay = None,
    dropout: Dropout = None,
    schedule: Schedule = None,
    patience: Patience = None,
    flip: Flip = None,
    degrees: Degrees = None,
    shift: Shift = None,
    scale: Scale = None,
    erasing: Erasing = None,
    mixup: Mixup = None,
    label_smoothing: Smoothing = None,
    weight_averaging: WeightAveraging = None,
    normalization: Normalization = None,
    width: Width = None,
    precision: Precision = None,
    threads: Threads = None,
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    cache: Cache = None,
    strict: Strict = False,
) -> None:
    """Train a network; the same command resumes a run that was stopped."""
    from backbones.configuration import RunConfig
    from backbones.fer2013 import load_faces
    from backbones.runs import Run
    from backbones.training import train as train_run

    run = Run(out)
    run.require_place()
    faces = load_faces(data, strict=strict, cache=cache)
    config = RunConfig.for_faces(
        architecture,
        faces,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        schedule=schedule,
        patience=patience,
        flip=flip,
        degrees=degrees,
        shift=shift,
        scale=scale,
        erasing=erasing,
        mixup=mixup,
        label_smoothing=label_smoothing,
        weight_averaging=weight_averaging,
        normalization=normalization,
        width=width,
        precision=precision,
    )
    train_run(
        run,
        config,
        faces,
        threads=threads,
        accelerator=accelerator,
        devices=int(devices) if devices.isdecimal() else devices,
    )
    if run.finished:
        result = run.result()
        for name, words in (("val", "validation"), ("test", "test")):
            if name in result:
                part = result[name]
                reached = f"{words}: {part['accuracy']:.4f} (epoch {result['best_epoch']} of {result['epochs']})"
                # None where every image of the split is among the training images.
                if part["accuracy_without_exact_duplicates"] is not None:
                    duplicates = f"{part['exact_duplicates_of_training_images']} exact duplicates of training images"
                    reached += f", {part['accuracy_without_exact_duplicates']:.4f} without {duplicates}"
                typer.echo(reached)


@app.command(cls=HelpfulCommand)
def predict(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of finished runs, or files of kept weights (see keep).", show_default=False),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the prediction set.", show_default=False)],
    flip_averaging: FlipAveraging = False,
    shift_averaging: ShiftAveraging = 0,
    accelerator: Accelerator = "auto",
    cache: Cache = None,
    strict: Strict = False,
) -> None:
    """Write the probabilities of finished runs, or of kept weights, as members of a prediction set.

    With test-time augmentation the accuracies without it are given as well.
    """
    from backbones.evaluation import TestTimeAugmentation, device_of, format_accuracies
    from backbones.export import export
    from backbones.fer2013 import load_faces
    from backbones.kept import trained
    from backbones.writing import require_writable

    augmentation = TestTimeAugmentation(flip_averaging, shift_averaging)
    members = [trained(path) for path in runs]
    for member in members:
        member.require_name()
        member.result()
    require_writable(out)
    faces = load_faces(data, strict=strict, cache=cache)
    for member in members:
        accuracies = export(member, faces, out, augmentation=augmentation, device=device_of(accelerator))
        typer.echo(printable(f"{member.name}: {format_accuracies(accuracies)}"))


@app.command(cls=HelpfulCommand)
def keep(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the files.", show_default=False)],
) -> None:
    """Write the weights of finished runs in half precision, a file each, which predict reads."""
    from backbones.kept import keep as keep_run
    from backbones.runs import Run

    for folder in runs:
        typer.echo(printable(str(keep_run(Run(folder), out))))


@app.command(cls=HelpfulCommand)
def grid(
    architecture: Architecture,
    data: Data,
    out: Annotated[Path, typer.Option(help="The grid's folder.", show_default=False)],
    seed: Seed = 0,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: Rate = None,
    weight_decay: Decay = None,
    dropout: Dropout = None,
    schedule: Schedule = None,
    patience: Patience = None,
    precision: Precision = None,
    points: Annotated[int | None, typer.Option(help="Train at most so many points now.")] = None,
    threads: Threads = None,
    accelerator: Accelerator = "auto",
    cache: Cache = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Try learning rate, weight decay and dropout at a tenth, once and ten times their base.

    Several processes may work on one grid; a stopped one is taken up.
    """
    import dataclasses

    from backbones.configuration import RunConfig
    from backbones.fer2013 import load_faces
    from backbones.grid import search
    from backbones.writing import require_writable

    require_writable(out)
    faces = load_faces(data, strict=strict, cache=cache)
    base = RunConfig.for_faces(
        architecture,
        faces,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        schedule=schedule,
        patience=patience,
        precision=precision,
    )
    results = search(out, base, faces, threads=threads, accelerator=accelerator, most_points=points)
    if as_json:
        typer.echo(json.dumps({"points": [dataclasses.asdict(point) for point in results]}, indent=2))
        return
    typer.echo(f"{'learning rate':>14} {'weight decay':>13} {'dropout':>8} {'val. accuracy':>14}")
    for point in results:
        reached = point.state if point.val_accuracy is None else f"{point.val_accuracy:.4f}"
        typer.echo(f"{point.learning_rate:>14g} {point.weight_decay:>13g} {point.dropout:>8g} {reached:>14}")


@app.command(cls=HelpfulCommand)
def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for the figures; by default that of each run.")] = None,
    kind: Annotated[str, typer.Option("--format", metavar="png|svg|pdf", help="Kind of file.")] = "png",
) -> None:
    """Draw learning curves, and confusion matrices of finished runs."""
    from backbones.curves import write_figures
    from backbones.runs import Run

    for path in write_figures([Run(folder) for folder in runs], out, kind):
        typer.echo(printable(str(path)))


@app.command(cls=HelpfulCommand)
def recipe(
    data: Data,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[RECIPE]", help="A list of members (TOML), or one of the package: fer2013 (nine members), pool."
        ),
    ] = "fer2013",
    out: Annotated[Path, typer.Option(help="Folder of the prediction set.")] = Path("preds"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    flip_averaging: FlipAveraging = False,
    shift_averaging: ShiftAveraging = 0,
    precision: Precision = None,
    threads: Threads = None,
    accelerator: Accelerator = "auto",
    cache: Cache = None,
    strict: Strict = False,
) -> None:
    """Train all members of a recipe (by default the nine of the study), ending in a complete prediction set.

    Killed at any moment, the same command goes on where it was. Several processes may work on one recipe.
    """
    from backbones.evaluation import TestTimeAugmentation
    from backbones.fer2013 import load_faces
    from backbones.recipe import find_recipe, read_recipe, train_recipe
    from backbones.writing import require_writable

    augmentation = TestTimeAugmentation(flip_averaging, shift_averaging)
    entries = read_recipe(find_recipe(file))
    require_writable(runs)
    require_writable(out)
    faces = load_faces(data, strict=strict, cache=cache)
    elsewhere = train_recipe(
        entries,
        faces,
        runs,
        out,
        augmentation=augmentation,
        threads=threads,
        accelerator=accelerator,
        precision=precision,
    )
    if elsewhere:
        typer.echo(f"{len(entries) - len(elsewhere)} of {len(entries)} members are in {out}; others train the rest")
        return
    typer.echo(f"{len(entries)} members are in {out}; try: ensembler bench {out}")


MODULES = ("torch", "lightning", "kornia", "optuna", "matplotlib", "torchmetrics", "safetensors", "PIL")


PIPE_CLOSED = 128 + signal.SIGPIPE
"""The exit code of a program whose output nobody reads any more, as shells show it."""


def stop(number: int, _: FrameType | None) -> NoReturn:
    """End on a signal with a sentence and the exit code that shells expect; once, however often it is sent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave("stopped; what was finished is kept, and the same command goes on from there", 128 + number)


def leave(message: str, code: int) -> NoReturn:
    """End with one line on standard error, if anybody reads it."""
    try:
        sys.stderr.write(f"{printable(message)}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        quiet()
    raise SystemExit(code)


def quiet() -> None:
    """Let what is still to be written go nowhere, where the other end of a pipe is closed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def main() -> None:
    """Run the command line; errors that are meant for users become one line and an exit code."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show is escaped instead of ending the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    original = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, DataWarning):
            sys.stderr.write(f"warning: {printable(str(message))}\n")
        else:
            original(message, category, filename, lineno, file, line)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = show
            app(prog_name="backbones")
    except SystemExit as end:
        # Typer ends with 1 where a pipe is closed, as it does for errors.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        quiet()
        raise SystemExit(PIPE_CLOSED) from end
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in MODULES:
            raise
        leave(f"error: {error.name} is not installed; pip install 'ensembler-bench[backbones]'", 1)
    except BackbonesError as error:
        leave(f"error: {error}", error.exit_code)
    except OSError as error:
        leave(f"error: {error.filename or 'input or output'}: {error.strerror or error}", 1)
    except MemoryError:
        leave("error: this does not fit into memory", 1)
