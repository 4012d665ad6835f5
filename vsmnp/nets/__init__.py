"""Architectures: functions that return a layer."""

from .dcgan import dcgan_decoder, dcgan_encoder
from .mlp import mlp
from .plan import BatchNormRule, ImagePlan
from .resnet import resnet18_decoder, resnet18_encoder

__all__ = [
    "BatchNormRule",
    "ImagePlan",
    "dcgan_decoder",
    "dcgan_encoder",
    "mlp",
    "resnet18_decoder",
    "resnet18_encoder",
]
