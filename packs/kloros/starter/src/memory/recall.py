"""Finding what was experienced: by words in common, and by how long ago it was."""

import math


def likeness(episode, words):
    """The share of `words` that the episode has."""
    return len(episode.words() & words) / len(words) if words else 0.0


def recall(store, question, now, half_life_s=86400.0, limit=3):
    """The episodes that answer `question` best; what is old counts for less."""
    words = set(question.lower().split())
    scored = []
    for episode in store:
        age = max(0.0, now - episode.at)
        fading = math.pow(0.5, age / half_life_s)
        score = likeness(episode, words) * episode.weight * fading
        if score > 0.0:
            scored.append((score, episode))
    scored.sort(key=lambda pair: -pair[0])
    return [episode for _, episode in scored[:limit]]
