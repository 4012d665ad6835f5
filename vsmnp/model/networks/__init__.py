"""Architectures: functions that return the layers of an encoder and of a decoder."""

from ...settings.choices import BatchNormRule
from .dcgan import dcgan
from .image_options import ImagePlan
from .mlp import mlp, perceptrons
from .resnet import resnet18

__all__ = ["BatchNormRule", "ImagePlan", "dcgan", "mlp", "perceptrons", "resnet18"]
