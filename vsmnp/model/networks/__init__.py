"""Architectures of encoders and decoders: functions that return a layer."""

from .dcgan import dcgan_decoder, dcgan_encoder
from .image_options import BatchNormRule, ImagePlan
from .mlp import mlp
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
