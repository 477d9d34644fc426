"""Combine the saved class probabilities of several trained models, and say honestly which combination is best.

The public names, listed in the stub beside this file, load on first use, so that ``import ensembler`` costs next to
nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
