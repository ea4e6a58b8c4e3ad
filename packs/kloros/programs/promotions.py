"""Promotions: what a proposed change must look like before anything may follow from it.

The same rules as `promotion.rs` (facts.md A4, made stricter); one table of cases holds the two
together.
"""

from workspace import parse

BOUNDS = {
    "batch_size": (1, 128),
    "context_window": (1000, 32000),
    "learning_rate": (0.0001, 0.1),
    "temperature": (0.1, 2.0),
}


def is_number(value):
    """Whether `value` is a number; a boolean is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def validate(data):
    """`("valid", changes)`, or a reason and no changes."""
    try:
        promotion = parse(data)
    except (ValueError, RecursionError) as error:
        return f"JSON decode error: {error}", {}
    if not isinstance(promotion, dict):
        return "promotion is not an object", {}
    if "schema" not in promotion:
        return "missing schema", {}
    if promotion["schema"] not in ("v1", "v2"):
        return "unsupported schema, v1 or v2 is expected", {}
    for field in ("id", "timestamp", "fitness", "changes"):
        if field not in promotion:
            return f"missing field {field}", {}
    if not is_number(promotion["fitness"]):
        return "fitness is no finite number", {}
    if promotion["fitness"] < 0:
        return "fitness is negative", {}
    changes = promotion["changes"]
    if not isinstance(changes, dict):
        return "changes is not an object", {}
    for name, value in changes.items():
        shown = name[:40]
        if name not in BOUNDS:
            return f"{shown} is not a registered parameter", {}
        if not is_number(value):
            return f"{shown} is no finite number", {}
        low, high = BOUNDS[name]
        if value < low:
            return f"{shown} is below the minimum of {low:g}", {}
        if value > high:
            return f"{shown} is above the maximum of {high:g}", {}
    return "valid", changes
