"""What was experienced, kept in the order in which it happened."""

import time
from collections import deque


class Episode:
    """One thing that was experienced: when, what, and how much it mattered."""

    def __init__(self, text, weight=1.0, at=None):
        self.text = text
        self.weight = weight
        self.at = time.time() if at is None else at

    def words(self):
        """The words of the episode, lower case, each once."""
        return set(self.text.lower().split())


class Store:
    """The last episodes; the oldest is forgotten first."""

    def __init__(self, capacity=1000):
        self._episodes = deque(maxlen=capacity)

    def remember(self, episode):
        """Keeps an episode."""
        self._episodes.append(episode)

    def __iter__(self):
        return iter(self._episodes)

    def __len__(self):
        return len(self._episodes)
