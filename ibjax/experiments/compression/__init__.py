"""Estimators after compression, on pairs of images of known mutual information.

Draws pairs of images (Gaussian blobs and rectangles) with a set mutual information,
compresses them by principal components and by an autoencoder, and estimates the
information between the codes. The same estimators on the latent numbers that the images
were drawn from tell the error of estimation from that of compression. One compressor
serves both sides and every information: it is fitted to other, single images.

    ibjax reproduce compression
    ibjax reproduce compression --quick
    ibjax reproduce compression --from ibjax-reproduce-compression/estimates.json

The claims are about the estimator that does best up to 5 nats, chosen with the truth at
hand: they say what is possible, not what a choice made without it would give.

KDE, MINE and InfoNCE take long: they run on the first set of pairs only, and at a few
of the informations. ``--from`` takes several files and puts their estimates together.
``estimates.json`` has every estimate and the conditions. Everything is in nats.
"""

from ibjax.experiments.compression.benchmark import TITLE, CompressionOptions, run
from ibjax.experiments.experiment import Experiment

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="compression",
    title=TITLE,
    summary="Estimates of known information from codes of images (Butakov et al.).",
    setup=CompressionOptions(),
    run=run,
)
