"""Features for FID and KID: of the classifier of vsmnp, of a network in an ONNX file, or from a file."""

from .extractor import Extractor, sha256_of
from .files import read_features
from .lenet import LenetFeatures
from .onnx import OnnxFeatures, OnnxInput

__all__ = ["Extractor", "LenetFeatures", "OnnxFeatures", "OnnxInput", "read_features", "sha256_of"]
