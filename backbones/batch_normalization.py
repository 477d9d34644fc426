"""Batch normalisation's statistics of a network from which nothing is dropped."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def recalibrate(network: nn.Module, batches: list[Tensor]) -> None:
    """Replace the running means and variances of batch normalisation by those of given batches.

    Dropout before a normalisation changes the mean and variance that it sees, all the more with a maximum in between;
    the running averages of training are those of dropped values, while predictions drop nothing. So the batches are
    passed through the network as in prediction, where only batch normalisation takes its statistics from them. Weights
    stay as they are, and so does whether each module is training.

    Parameters
    ----------
    network : nn.Module
        Changed in place; one without batch normalisation is left alone.
    batches : list of Tensor
        What the network is given, of the training rows; each batch counts as much as any other.

    References
    ----------
    Li, Chen, Hu & Yang, Understanding the disharmony between dropout and batch normalization by variance shift, CVPR
    2019, arXiv 1801.05134. Wu & Johnson, Rethinking "batch" in BatchNorm, 2021, arXiv 2105.07576.

    Examples
    --------
    >>> network = nn.BatchNorm1d(1)
    >>> recalibrate(network, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
    >>> network.running_mean.item(), network.running_var.item()
    (4.0, 2.0)
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms or not batches:
        return
    training = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in training.items():
            module.training = mode
