"""Short messages, made by rules: what is spam is told by its words."""

import numpy as np
import pandas as pd

HAM = [
    "i",
    "am",
    "at",
    "the",
    "shop",
    "see",
    "you",
    "soon",
    "ok",
    "love",
    "home",
    "late",
    "tonight",
    "dinner",
    "with",
    "mum",
    "and",
    "dad",
    "later",
]
SPAM = [
    "win",
    "a",
    "free",
    "prize",
    "now",
    "call",
    "this",
    "number",
    "to",
    "claim",
    "your",
    "cash",
    "award",
    "txt",
    "stop",
    "urgent",
]
PLAIN = [f"word{i}" for i in range(300)]


def messages(count: int, seed: int, noise: float = 0.02, sources: int = 40) -> pd.DataFrame:
    """Return honest messages, a fifth of them spam, with the columns text, channel, label and who."""
    rng = np.random.default_rng(seed)
    spam = rng.random(count) < 0.2
    texts = [_message(rng, SPAM if each else HAM) for each in spam]
    wrong = rng.random(count) < noise
    return pd.DataFrame(
        {
            "text": texts,
            "channel": rng.choice(["app", "web", "phone"], count),
            "label": np.where(spam ^ wrong, "spam", "ham"),
            "who": [f"c{number:02d}" for number in rng.integers(0, sources, count)],
        }
    )


def _message(rng: np.random.Generator, telling: list[str]) -> str:
    words = [*rng.choice(telling, 5), *rng.choice(PLAIN, 5)]
    return " ".join(rng.permutation(words)).capitalize() + "."
