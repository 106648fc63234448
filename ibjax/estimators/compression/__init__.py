"""Compression before estimation: information between codes instead of raw data."""

from ibjax.estimators.compression.information import (
    Autoencoder,
    CompressedInformation,
    Pca,
    autoencoder_fit,
    compressed_information,
    decode,
    encode,
    pca_decode,
    pca_encode,
    pca_fit,
    residual_information,
)

__all__ = [
    "Autoencoder",
    "CompressedInformation",
    "Pca",
    "autoencoder_fit",
    "compressed_information",
    "decode",
    "encode",
    "pca_decode",
    "pca_encode",
    "pca_fit",
    "residual_information",
]
