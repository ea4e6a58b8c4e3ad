"""How loud a frame is, and whether somebody speaks in it."""

import math

SILENCE_DECIBELS = -96.0


def decibels(frame):
    """The level of a frame against full scale: 0 is the loudest, -96 is silence."""
    if not frame.samples:
        return SILENCE_DECIBELS
    power = sum(sample * sample for sample in frame.samples) / len(frame.samples)
    if power <= 0.0:
        return SILENCE_DECIBELS
    return max(SILENCE_DECIBELS, 10.0 * math.log10(power))


def is_speech(frame, threshold=-40.0):
    """Whether the frame is louder than `threshold` and crosses zero as often as a voice does."""
    crossings = sum(a * b < 0 for a, b in zip(frame.samples, frame.samples[1:]))
    return decibels(frame) > threshold and crossings < len(frame.samples) // 4
