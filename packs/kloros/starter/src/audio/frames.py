"""Cuts a stream of samples into frames that overlap."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """Samples between -1 and 1, and where the first of them stood in the stream."""

    start: int
    samples: tuple

    def seconds(self, rate):
        """How long the frame is at `rate` samples a second."""
        return len(self.samples) / rate


def split(samples, size=400, step=160):
    """Yields frames of `size` samples, each `step` after the one before; the last may be shorter."""
    for start in range(0, len(samples), step):
        yield Frame(start, tuple(samples[start : start + size]))
        if start + size >= len(samples):
            return
