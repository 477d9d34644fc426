"""Training a network with PyTorch Lightning, so that it can be killed at any moment and goes on where it was.

The order of rows, the augmentation and dropout of an epoch are drawn from the seed and the number of the epoch alone.
After each epoch the state is written; a run that is killed inside an epoch repeats that epoch, on a CPU identically.
All images are in the memory of the device that trains, and nothing is read back from it but a few times an epoch.
"""

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from backbones.classifier import Classifier
from backbones.configuration import RunConfig
from backbones.errors import BackbonesError, ConfigurationError, DataError, RunError
from backbones.evaluation import device_memory, finish, known_accelerator
from backbones.faces import Faces
from backbones.reading import reading, reason
from backbones.runs import Run, best_epoch, check_rows
from backbones.state import ANEW, WholeFiles, read_state

AVERAGED_EVERY = 8
"""Steps from one update of the averaged weights to the next."""


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
