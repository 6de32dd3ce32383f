"""Seeded samples of our own for the scripts beside it, rounded so that both sides read the same numbers, and how the answers are written."""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ANSWERS = HERE.parent.parent / "crates/hilum-stats/tests/it/reference"


def numbers():
    """Name, reference and current sample: ties, unequal sizes, heavy tails, few values."""
    rng = np.random.default_rng(20261127)
    kvp, share = [80.0, 100.0, 110.0, 120.0, 140.0], np.array([0.1, 0.2, 0.1, 0.5, 0.1])
    tilted = share + [0.05, 0.0, 0.0, -0.06, 0.01]
    yield "small, with ties", np.round(rng.normal(size=8), 1), np.round(rng.normal(0.6, 1.0, 12), 1)
    yield "no difference", np.round(rng.normal(size=300), 3), np.round(rng.normal(size=300), 3)
    yield "shifted, unequal sizes", np.round(rng.normal(size=900), 2), np.round(rng.normal(0.3, 1.0, 120), 2)
    yield "heavy tails", np.round(rng.standard_t(2, 800), 2), np.round(1.3 * rng.standard_t(2, 300), 2)
    yield "skewed", np.round(rng.exponential(size=250), 2), np.round(rng.exponential(1.15, 400), 2)
    yield "few values", rng.choice(kvp, 600, p=share), rng.choice(kvp, 250, p=tilted)
    yield "whole numbers", np.clip(np.round(rng.normal(58, 17, 700)), 0, 100), np.clip(np.round(rng.normal(62, 17, 350)), 0, 100)


def categories():
    """Name, and counts of the same categories in the reference and the current sample."""
    rng = np.random.default_rng(20261128)
    yield "four, equal sizes", [50, 30, 15, 5], [38, 34, 18, 10]
    yield "two", [180, 70], [64, 48]
    yield "rare ones", [1204, 511, 60, 9, 2, 1, 0, 0], [301, 158, 11, 6, 0, 2, 3, 1]
    shares = rng.dirichlet(np.full(12, 1.5))
    yield "twelve", rng.multinomial(1500, shares).tolist(), rng.multinomial(400, shares).tolist()


def write(name, peers, **sections):
    """Writes NAME.json: a line a field, so that a changed answer is a changed line."""
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(v) for key, v in value.items()}
        if isinstance(value, (list, tuple)) or hasattr(value, "to_numpy") or isinstance(value, np.ndarray):
            return [plain(v) for v in value]
        if isinstance(value, np.generic):
            value = value.item()
        # Whole numbers without their ".0".
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value

    def lines(value, indent):
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            keys = [json.dumps(key) + ": " for key in value] if isinstance(value, dict) else [""] * len(value)
            items = value.values() if isinstance(value, dict) else value
            inside = ",\n".join(" " * (indent + 1) + key + lines(item, indent + 1) for key, item in zip(keys, items))
            opening, closing = "{}" if isinstance(value, dict) else "[]"
            return f"{opening}\n{inside}\n{' ' * indent}{closing}"
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    path = ANSWERS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines(plain(dict(peers=peers, **sections)), 0) + "\n")
    print(f"wrote {path.relative_to(HERE.parent.parent)}")
