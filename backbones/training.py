"""Training a network with PyTorch Lightning, so that it can be killed at any moment and goes on where it was.

The order of rows, the augmentation and dropout of an epoch are drawn from the seed and the number of the epoch alone.
After each epoch the state is written; a run that is killed inside an epoch repeats that epoch, on a CPU identically.
All images are in the memory of the device that trains, and nothing is read back from it but a few times an epoch.
"""

import ctypes
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from backbones.augmentation import Augmentation, mix_up
from backbones.batch_normalization import recalibrate
from backbones.batches import EVALUATION_BATCH, Batch, Batches, mix, resident, to_float
from backbones.configuration import RunConfig
from backbones.errors import BackbonesError, ConfigurationError, DataError, RunError
from backbones.evaluation import device_memory, finish, known_accelerator
from backbones.faces import Faces
from backbones.input_normalization import normalize_faces
from backbones.reading import reading, reason
from backbones.runs import Run, best_epoch, check_rows
from backbones.state import ANEW, WholeFiles, check_alike, read_state

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 3
CALIBRATION_ROWS = 8192
READ_EVERY = 50
"""Steps after which losses are read from the device; reading makes it wait."""
AS_BEFORE = f"go on with as many devices as before, or {ANEW}"
LOOPS = ("fit", "validate", "test", "predict")
"""Of Lightning, each with its progress in the state."""
AVERAGED_EVERY = 8
"""Steps from one update of the averaged weights to the next."""


class Classifier(lightning.LightningModule):
    """A network, its augmentation, its optimiser and its metrics."""

    def __init__(self, config: RunConfig, faces: Faces) -> None:
        super().__init__()
        torch.manual_seed(mix(config.seed))
        self.config, self.faces = config, normalize_faces(faces, config.normalization)
        self.memory: dict[str, tuple[Tensor, Tensor]] = {}
        self.network: nn.Module = config.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.augmentation = Augmentation(config.flip, config.degrees, config.shift, config.scale, config.erasing)
        # Rows, summed losses and hits of the epoch; a metric object would cost a percent of a step.
        self.seen = [0.0, 0.0, 0.0]
        # Step, rows, loss and hits of the steps that have not been read from the device.
        self.unread: list[tuple[int, int, Tensor, Tensor]] = []
        self.evaluated: dict[str, Tensor] = {}
        self.val_loss = MeanMetric()
        self.val_accuracy = MulticlassAccuracy(config.n_classes, average="micro", validate_args=False)
        self.plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self.plateau_state: dict[str, Any] | None = None

    def place(self) -> tuple[int, int, int]:
        """Return the epoch, this process's number, and how many there are."""
        return self.current_epoch, self.trainer.global_rank, self.trainer.world_size

    def train_dataloader(self) -> Batches:
        """Return shuffled batches."""
        images, labels = self.resident("train")
        return Batches(images, labels, self.config.batch_size, self.place, self.config.seed, self.augmentation.train())

    def val_dataloader(self) -> Batches:
        """Return validation batches in order."""
        return Batches(*self.resident("val"), EVALUATION_BATCH, self.place)

    def resident(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the images and labels of a split in the device's memory, brought there once."""
        if name not in self.memory:
            self.memory[name] = resident(self.faces.split(name), self.device)
        return self.memory[name]

    def on_train_epoch_start(self) -> None:
        """Seed dropout and mixing by the epoch."""
        self.seen, self.unread = [0.0, 0.0, 0.0], []
        torch.manual_seed(mix(self.config.seed, *self.place()[:2], 1))

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of one batch."""
        images, labels = batch
        alpha, smoothing = self.config.mixup, self.config.label_smoothing
        # Drawn on the CPU, so that no device is waited for.
        share = float(torch.distributions.Beta(alpha, alpha).sample()) if alpha else 1.0
        logits = self.network(mix_up(images, share) if alpha else images).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        predicted = logits.detach().argmax(dim=1)
        hits = (predicted == labels).sum()
        if alpha:
            others = labels.roll(1, dims=0)
            loss = share * loss + (1 - share) * functional.cross_entropy(logits, others, label_smoothing=smoothing)
            hits = share * hits + (1 - share) * (predicted == others).sum()
        self.unread.append((number + 1, len(labels), loss.detach(), hits))
        if len(self.unread) == READ_EVERY:
            self.read_steps()
        return loss

    def read_steps(self) -> None:
        """Read the losses and hits of the last steps from the device, and stop where a loss is not finite."""
        if not self.unread:
            return
        steps, sizes, losses, hits = zip(*self.unread, strict=True)
        self.unread = []
        values = torch.stack([torch.stack(losses).double(), torch.stack(hits).double()]).tolist()
        for step, rows, loss, hit in zip(steps, sizes, *values, strict=True):
            if not math.isfinite(loss):
                raise RunError(
                    f"the loss is {loss} at epoch {self.current_epoch + 1}, step {step}; "
                    "the state of the last good epoch is kept. Lower the learning rate and start another run"
                )
            self.seen = [self.seen[0] + rows, self.seen[1] + loss * rows, self.seen[2] + hit]

    def train_figures(self) -> tuple[float, float]:
        """Return the epoch's mean loss and accuracy over all processes."""
        totals = self.trainer.strategy.reduce(
            torch.tensor(self.seen, dtype=torch.float64, device=self.device), reduce_op="sum"
        )
        rows, loss, hits = totals.tolist()
        return loss / rows, hits / rows

    def on_validation_epoch_start(self) -> None:
        """Take the statistics of batch normalisation from training images that are neither dropped from nor augmented.

        They are what the epoch is evaluated with and what is kept with its weights; training itself does not use them.
        The weights are the averaged ones where weights are averaged.
        """
        self.read_steps()
        order = torch.randperm(len(self.faces.train), generator=torch.Generator().manual_seed(mix(self.config.seed)))
        # In random order, as the files of a folder are sorted by class.
        images = self.resident("train")[0][order[:CALIBRATION_ROWS].to(self.device)]
        batches = [to_float(part) for part in torch.split(images, EVALUATION_BATCH) if len(part) > 1]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16-mixed"):
            recalibrate(self.network, batches)
        self.evaluated = {name: value.clone() for name, value in self.network.state_dict().items()}

    def validation_step(self, batch: Batch, number: int) -> None:
        """Take up the loss and hits of one batch."""
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            logits = self.network(images)
        self.val_loss.update(functional.cross_entropy(logits, labels), len(labels))
        self.val_accuracy.update(logits, labels)

    def on_train_epoch_end(self) -> None:
        """Let the plateau schedule see the validation loss, before the state is written."""
        if self.plateau is not None:
            self.plateau.step(float(self.val_loss.compute()))

    def configure_optimizers(self) -> Any:
        """Return Adam with L2, and the one-cycle schedule; this class steps and resumes the plateau schedule."""
        optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay, fused=True
        )
        if self.config.schedule == "onecycle":
            steps = max(1, len(self.train_dataloader_length()) * self.config.epochs)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.learning_rate, total_steps=steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE
        )
        if self.plateau_state is not None:
            self.plateau.load_state_dict(self.plateau_state)
        return optimizer

    def train_dataloader_length(self) -> range:
        """Return the steps of an epoch, without a copy of the images."""
        rows = len(self.faces.train) // self.trainer.world_size
        return range(rows // self.config.batch_size if rows >= self.config.batch_size else 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the plateau schedule to the state."""
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a state of another kind than this training's, and take the plateau schedule out of it."""
        with reading(Path(self.trainer.ckpt_path or ""), "is not the state of this training", fix=AS_BEFORE):
            for name, template in self.template().items():
                check_alike(checkpoint[name], template, name)
        self.plateau_state = checkpoint.get("plateau")

    def template(self) -> dict[str, Any]:
        """Return what is in a state as it is before the first step, whose kinds all later ones have."""
        configured = self.configure_optimizers()
        optimizer, schedules = (
            (configured["optimizer"], [configured["lr_scheduler"]["scheduler"]])
            if isinstance(configured, dict)
            else (configured, [])
        )
        # Adam's moments, which it makes in its first step.
        moments = {
            number: {"step": torch.zeros(()), "exp_avg": weights, "exp_avg_sq": weights}
            for number, weights in enumerate(self.network.parameters())
        }
        template = {
            "state_dict": dict(self.state_dict()),
            "optimizer_states": [optimizer.state_dict() | {"state": moments}],
            "lr_schedulers": [schedule.state_dict() for schedule in schedules],
            "loops": {f"{name}_loop": getattr(self.trainer, f"{name}_loop").state_dict() for name in LOOPS},
        }
        if self.plateau is not None:
            template["plateau"] = self.plateau.state_dict()
        if self.config.weight_averaging:
            template["current_model_state"] = template["state_dict"]
            template["averaging_state"] = {"n_averaged": torch.tensor(0)}
        return template


class Averaging(WeightAveraging):
    """An exponential moving average of the weights, evaluated in their place; batch normalisation is calibrated anew.

    The average is taken every few steps, with a decay that is the same over those steps. Before each epoch is evaluated
    Lightning puts it in the place of the weights, and takes it out afterwards.

    References
    ----------
    Polyak & Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30 (1992) 838-855,
    doi 10.1137/0330046. Izmailov et al., Averaging weights leads to wider optima, UAI 2018, arXiv 1803.05407.
    """

    def __init__(self, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay**AVERAGED_EVERY)  # type: ignore[no-untyped-call]
        super().__init__(use_buffers=False, multi_avg_fn=average)

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Keep the average on the device that trains."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether it is time to take up the weights."""
        return step_idx is not None and step_idx % AVERAGED_EVERY == 0


class Keeper(Checkpoint):
    """After each epoch: note the figures, keep the best weights, write the state, and stop when nothing improves."""

    def __init__(self, run: Run, config: RunConfig, report: Callable[[dict[str, Any]], None] | None) -> None:
        self.run, self.config, self.report = run, config, report
        self.rows: list[dict[str, Any]] = []
        self.has_begun = False

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Note that a state has been taken up."""
        self.require_rows(trainer)
        self.has_begun = True

    def require_rows(self, trainer: lightning.Trainer) -> None:
        """Refuse a state that is not the one after the epochs whose figures it holds."""
        if trainer.current_epoch != len(self.rows):
            raise RunError(
                f"{self.run.checkpoint}: is the state after {trainer.current_epoch} epochs with the figures of "
                f"{len(self.rows)}; {ANEW}"
            )

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Do all of it, in an order that a kill at any place leaves whole."""
        assert isinstance(module, Classifier)
        train_loss, train_accuracy = module.train_figures()
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "val_loss": float(module.val_loss.compute()),
            "val_accuracy": float(module.val_accuracy.compute()),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
        }
        module.val_loss.reset()
        module.val_accuracy.reset()
        best = max((earlier["val_accuracy"] for earlier in self.rows), default=-1.0)
        self.rows.append(row)
        if trainer.is_global_zero and row["val_accuracy"] > best:
            self.run.write_weights(module.evaluated)
        # Every process takes part in writing the state, the first one writes. The log is written from the state again
        # when the run goes on, so that a process killed between the two loses no row.
        trainer.save_checkpoint(self.run.checkpoint, weights_only=False)
        if trainer.is_global_zero:
            self.run.write_log(self.rows)
            if self.report is not None:
                self.report(row)
        trainer.should_stop = trainer.should_stop or self.out_of_patience()

    def out_of_patience(self) -> bool:
        """Whether the accuracy has not risen for too long."""
        patience = self.config.patience
        return patience is not None and bool(self.rows) and len(self.rows) - best_epoch(self.rows) >= patience

    def state_dict(self) -> dict[str, Any]:
        """Return the figures of all epochs."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the figures of the epochs before."""
        with reading(self.run.checkpoint, "is not the state of this training", fix=ANEW):
            check_rows(state["rows"])
            self.rows = [dict(row) for row in state["rows"]]


def train(
    run: Run,
    config: RunConfig,
    faces: Faces,
    *,
    threads: int | None = None,
    accelerator: str = "auto",
    devices: int | str = "auto",
    stop_after: int | None = None,
    progress_bar: bool | None = None,
) -> bool:
    """Train a run to its end, from where it was.

    Parameters
    ----------
    run, config, faces
        Where, how, and on what.
    threads : int, optional
        Of PyTorch on the CPU.
    accelerator, devices
        Lightning's.
    stop_after : int, optional
        Stop after that many epochs in all, in a state that a later call goes on from.
    progress_bar : bool, optional
        By default only if standard error is a terminal.

    Returns
    -------
    bool
        Whether the run is finished.

    Raises
    ------
    RunError
        The folder holds another run, the loss is not finite, or the state cannot be written or read.
    """
    run.require_place()
    config.outline()
    check_training_images(faces)
    if threads is not None and threads < 1:
        raise ConfigurationError(f"threads is {threads}, expected at least 1")
    run.start(config)
    if run.finished:
        # A process may have been killed between the result and this.
        run.drop_state()
        return True
    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    keep_freed_memory()
    ignore_lightning_advice()
    module = Classifier(config, faces)
    show = sys.stderr.isatty() if progress_bar is None else progress_bar
    keeper = Keeper(run, config, None if show else report_line)
    trainer = make_trainer(config, keeper, accelerator, devices, stop_after, show)
    check_training_images(faces, trainer.world_size)
    # The further processes of one training share the lock of the first.
    with nullcontext() if "LOCAL_RANK" in os.environ else run.locked():
        # Another process may have finished it while this one was starting.
        if Run(run.folder).finished:
            return True
        if trainer.is_global_zero:
            run.sweep()
        with device_memory():
            fit(trainer, module, keeper, run)
        stopped = trainer.should_stop and config.patience is not None
        complete = stopped or trainer.current_epoch >= config.epochs
        if complete and trainer.is_global_zero:
            finish(run, config, faces, keeper.rows, trainer.strategy.root_device)
    return complete


def check_training_images(faces: Faces, processes: int = 1) -> None:
    """Refuse a set of which a process would have fewer than two training images."""
    if len(faces.train) // processes < 2:
        raise DataError(
            f"there are {len(faces.train)} training images for {processes} processes, expected at least two for each: "
            "batch normalisation needs several"
        )


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the system.

    Each step allocates and frees the same large tensors; handing their pages back and forth costs up to 40 % of the
    time of a step. Other C libraries are left alone.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        most_mapped, trim_threshold = -4, -1
        libc.mallopt(most_mapped, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def make_trainer(
    config: RunConfig,
    keeper: Keeper,
    accelerator: str,
    devices: int | str,
    stop_after: int | None,
    show: bool,
) -> lightning.Trainer:
    """Set Lightning up to do what is asked and nothing else."""
    from lightning.pytorch.callbacks import Callback, RichProgressBar

    callbacks: list[Callback] = [keeper]
    if config.weight_averaging:
        callbacks.append(Averaging(config.weight_averaging))
    if show:
        callbacks.append(RichProgressBar(leave=True, console_kwargs={"stderr": True}))
    with known_accelerator(accelerator):
        return lightning.Trainer(
            max_epochs=min(config.epochs, stop_after or config.epochs),
            precision="bf16-mixed" if config.precision == "bf16-mixed" else "32-true",
            accelerator=accelerator,
            devices=devices,
            callbacks=callbacks,
            plugins=[WholeFiles()],
            logger=False,
            enable_checkpointing=True,
            enable_progress_bar=show,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=True,
            benchmark=True,
        )


def fit(trainer: lightning.Trainer, module: Classifier, keeper: Keeper, run: Run) -> None:
    """Go on from the run's own state; not after it has been stopped early."""
    if not run.checkpoint.exists():
        trainer.fit(module)
        return
    saved = read_state(run.checkpoint)
    with reading(run.checkpoint, "is not the state of this training", fix=ANEW):
        keeper.load_state_dict(saved["callbacks"][keeper.state_key])
    if not run.weights.exists():
        raise RunError(
            f"{run.folder}: holds a state and no best.safetensors; delete {run.checkpoint.name} to start anew"
        )
    if trainer.is_global_zero:
        run.write_log(keeper.rows)
    if keeper.out_of_patience():
        trainer.should_stop = True
        return
    try:
        trainer.fit(module, ckpt_path=run.checkpoint, weights_only=True)
    except (BackbonesError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if keeper.has_begun:
            raise
        # Lightning takes a state up without looking at what is in it.
        raise RunError(f"{run.checkpoint}: is not the state of this training: {reason(error)}; {ANEW}") from error
    # Nothing begins where no epoch is left.
    keeper.require_rows(trainer)


def ignore_lightning_advice() -> None:
    """Silence hints that do not apply, and Lightning's own use of what PyTorch has deprecated."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (".*does not have many workers.*", ".*Checkpoint directory.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message)


def report_line(row: dict[str, Any]) -> None:
    """Report on standard error how an epoch went, where there is no progress bar."""
    figures = " ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
    sys.stderr.write(f"epoch {row['epoch']}: {figures}\n")
    sys.stderr.flush()
