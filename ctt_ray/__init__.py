"""ctt_ray: train and tune semi-supervised semantic segmentation on Ray, Accelerate and Optuna."""

__version__ = "0.1.0"
