"""Published experiments, a folder each, and what runs them.

The ``__init__`` of a folder says what its experiment shows and how long it takes, and
holds the record ``EXPERIMENT``; ``setup`` makes the sweeps, ``claims`` and ``figures``
read their datasets. ``catalogue`` names all experiments, ``reproduce`` runs one.
"""
