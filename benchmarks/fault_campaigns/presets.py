"""Every preset of ``ibjax sweep`` at a size that takes seconds."""

__all__ = ["PRESETS"]

_DENSE = "--hidden 3 --estimators binning --epochs 200 --snapshots 20"
_FEW = "--epochs 6 --snapshots 4"
_DOZEN = "--epochs 12 --snapshots 4"
_LINEAR = "--epochs 40 --snapshots 5"
_IMAGES = "--images 64 --test-images 32 --batch-size 32"
_CODE = f"--hidden 8 --beta 0.1 {_FEW} {_IMAGES}"
_ATTACKS = f"{_CODE} --dim 4 --attacked 0.5 --steps 2 --tries 1"
_CLUTTER = f"--canvas 12 --digit 8 --fragments 1 --channels 4 --hidden 8 {_FEW}"
_SPRITES = f"--hidden 8 --orientations 2 --positions 2 --batch-size 16 {_FEW}"
_WEIGHTS = f"--side 7 --hidden 8 --beta 0.01 {_FEW} {_IMAGES}"
_TAGS = f"--hidden 8 --beta 0.1 --gamma 0 {_FEW}"
_OPTIONS = {
    "szt": _DENSE,
    "training-size": _DENSE,
    "depth": f"{_DENSE} --hidden 4 4,3",
    "width": f"{_DENSE} --hidden 4 5",
    "activations": f"{_DENSE} --activation tanh relu",
    "batches": f"{_DENSE} --batch-size 256 full",
    "batches-adam": f"{_DENSE} --batch-size 256 full",
    "loss-dynamics": "--hidden 3 --epochs 20 --snapshots 5",
    "deep-linear": _LINEAR,
    "relevance": _LINEAR,
    "mnist": f"--hidden 8 {_FEW} {_IMAGES}",
    "cnn": f"{_FEW} {_IMAGES}",
    "noisy": "--hidden 3 --epochs 20 --snapshots 4",
    "stochastic": f"{_FEW} {_IMAGES} --autoencoder-steps 10",
    "vib": _CODE,
    "two-points": "--hidden 4 --alpha 0 --lam 1 --epochs 60 --snapshots 4",
    "vae": _SPRITES,
    "vae-capacity": _SPRITES,
    "robustness": _ATTACKS,
    "robustness-dropout": _ATTACKS,
    "information-dropout": f"{_CLUTTER} {_IMAGES} --beta 0.1",
    "binary-dropout": f"{_CLUTTER} {_IMAGES}",
    "invariance": f"{_CODE} --dim 4 --steps 5",
    "invariance-dropout": f"{_CODE} --dim 4 --steps 5",
    "weights": f"--width 8 --depth 1 --side 7 --draws 2 {_FEW} {_IMAGES}",
    "corruption": f"{_WEIGHTS} --label-noise 0.5",
    "structure": f"{_WEIGHTS} --label-noise 0.5",
    "sharpness": f"--side 7 --hidden 4 --batch 16 {_FEW} --images 64 --test-images 32",
    "nuisance": f"{_WEIGHTS} --square 2",
    "tags": _TAGS,
    "tags-ewt": _TAGS,
    "deterministic": f"{_CODE} --dim 4",
    "critical-periods": f"--network 4/2-4 --removal 0.5 {_DOZEN} {_IMAGES}",
}
PRESETS = {
    name: ["sweep", name, "--seeds", "2", *options.split()]
    for name, options in _OPTIONS.items()
}
