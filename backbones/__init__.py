"""Train the three networks of the FER2013 ensemble study, ending in prediction arrays for ensembler.

Needs the extra ``backbones``: ``pip install 'ensembler-bench[backbones]'``.
"""
