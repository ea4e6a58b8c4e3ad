"""Sound as numbers: frames of samples, how loud they are, where speech begins."""

from .frames import Frame, split
from .level import decibels, is_speech

__all__ = ["Frame", "decibels", "is_speech", "split"]
