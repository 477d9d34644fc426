"""What is trained: a network with its augmentation, optimiser, schedule and metrics, as a module of Lightning's."""

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from backbones.augmentation import Augmentation, mix_up
from backbones.batch_normalization import recalibrate
from backbones.batches import EVALUATION_BATCH, Batch, Batches, mix, resident, to_float
from backbones.configuration import RunConfig
from backbones.errors import RunError
from backbones.faces import Faces
from backbones.input_normalization import normalize_faces
from backbones.reading import reading
from backbones.state import ANEW, check_alike

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 3
CALIBRATION_ROWS = 8192
READ_EVERY = 50
"""Steps after which losses are read from the device; reading makes it wait."""
AS_BEFORE = f"go on with as many devices as before, or {ANEW}"
LOOPS = ("fit", "validate", "test", "predict")
"""Of Lightning, each with its progress in the state."""


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
