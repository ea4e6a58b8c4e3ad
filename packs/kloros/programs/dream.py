"""D-REAM: an evolutionary search for better parameters.

In: `Q_DREAM_TRIGGER` (reason, topic, promotion_set, promotion_files). Out: `winners/<experiment>.json`,
telemetry in `dream/runner_<run_tag>.log`, `dream/cycles/<promotion_set>.json`, and the facts of
`Q_DREAM_COMPLETE`.

The promotions are judged first (facts.md A4). Those that are valid, and the last winner, are where the
search begins. What it tunes is the learning rate and batch size of a logistic regression on data made
from a fixed seed; fitness is what the trained model measured on data that it was not trained on:
exp(-log loss), the likelihood that it gives to the truth. Nothing is assumed and nothing is reported
that was not measured. A set of promotions is searched for once: its cycle's file answers a repetition.

Environment: KLOROS_DREAM_GENERATIONS, KLOROS_DREAM_POPULATION, KLOROS_DREAM_EPOCHS.
"""

import math
import os
import random
import re
import time

import workspace
from promotions import BOUNDS, is_number, validate

DATA_SEED = 20251114
TRAINING_COUNT = 600
VALIDATION_COUNT = 400
FEATURES = 8
PROMOTION_BYTES_MAX = 64 * 1024
SETTINGS = {
    "generations": ("KLOROS_DREAM_GENERATIONS", 10, 1, 1000),
    "population": ("KLOROS_DREAM_POPULATION", 16, 4, 200),
    "epochs": ("KLOROS_DREAM_EPOCHS", 40, 1, 1000),
}


def dream(facts):
    """Runs one cycle, or answers with the one that was run for these promotions."""
    started = time.monotonic()
    with workspace.Journal("dream/.lock"):
        judged, was_given = judge(facts)
        keys = {set_of(judged)} if judged else set()
        keys.add(str(facts.get("promotion_set") or workspace.run_id()))
        for known in sorted(keys):
            cycle = workspace.read_document(cycle_path(known))
            if cycle:
                workspace.progress("these promotions were dreamt of before")
                return answer(facts, cycle)
        cycle = run_cycle(facts, judged, was_given)
        cycle["duration_s"] = round(time.monotonic() - started, 3)
        if cycle["status"] != "already_acknowledged":
            for known in sorted(keys):
                workspace.replace_document(cycle_path(known), cycle)
        return answer(facts, cycle)


def failure_facts(facts):
    """The facts of `Q_DREAM_FAILED`."""
    return answer(facts, {"exit_code": 1, "success": False, "run_tag": run_tag()})


def answer(facts, cycle):
    """The facts of `Q_DREAM_COMPLETE`: what the trigger said, and what came of it."""
    return {
        "exit_code": 0,
        "success": True,
        "status": "failed",
        "generation": 0,
        "promotion_path": None,
        "telemetry_path": None,
        "telemetry_sha256": None,
        "winner_path": None,
        "winner_sha256": None,
        "duration_s": 0.0,
        "promotions": [],
        **cycle,
        "dream_cycle_id": cycle["run_tag"],
        "trigger_reason": facts.get("reason"),
        "trigger_topic": facts.get("topic"),
        "promotion_count": facts.get("promotion_count", 0),
        "promotion_files": facts.get("promotion_files", []),
        "promotion_set": facts.get("promotion_set"),
        "source": "dream_consumer",
    }


def cycle_path(key):
    """Where the cycle of a set of promotions is kept."""
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        key = workspace.sha256(key)
    return f"dream/cycles/{key}.json"


def run_tag():
    """The tag of this run, `<epoch seconds>-<8 hex>`: the same for each of its attempts."""
    digits = workspace.run_id().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        digits = workspace.sha256(digits)[:32]
    return f"{int(digits[:12], 16) // 1000}-{digits[-8:]}"


def judge(facts):
    """The promotions that still wait for an answer, judged, and whether any were given at all."""
    names = facts.get("promotion_files")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    judged = []
    for name in names:
        if "/" in name or name.startswith("."):
            raise workspace.OutsideTheRoot(repr(name)[:200])
        if is_acknowledged(name):
            continue
        try:
            with open(workspace.beneath(f"promotions/{name}"), "rb") as file:
                data = file.read(PROMOTION_BYTES_MAX)
        except FileNotFoundError:
            continue
        reason, changes = validate(data)
        judged.append((name, workspace.sha256(data), reason, changes))
    return judged, bool(names)


def is_acknowledged(name):
    """Whether the promotion has its answer; half a file is none."""
    stem = name.removesuffix(".json")
    try:
        acknowledgement = workspace.read_document(f"promotions_ack/{stem}_ack.json") or {}
    except workspace.Malformed:
        return False
    accepted = acknowledgement.get("accepted")
    return acknowledgement.get("promotion_id") == stem and isinstance(accepted, bool)


def set_of(judged):
    """The hash of names and contents, as the monitor makes it."""
    lines = sorted(f"{name}\0{sha256}\n" for name, sha256, _, _ in judged)
    return workspace.sha256("".join(lines))


def run_cycle(facts, judged, was_given):
    """One cycle: what the promotions are worth, then the search."""
    cycle = {"run_tag": run_tag(), "run_id": workspace.run_id(), "exit_code": 0, "success": True}
    cycle["promotions"] = [
        {
            "file": name,
            "sha256": sha256,
            "accepted": reason == "valid",
            "reason": reason.encode("ascii", "replace").decode()[:100],
        }
        for name, sha256, reason, _ in judged
    ]
    for promotion in cycle["promotions"]:
        workspace.progress(f"promotion {promotion['file']}: {promotion['reason']}")
    valid = [changes for _, _, reason, changes in judged if reason == "valid"]
    if was_given and not valid:
        cycle["status"] = "no_valid_promotion" if judged else "already_acknowledged"
        return cycle
    topic = facts.get("topic")
    is_name = isinstance(topic, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", topic)
    experiment = topic if is_name else "logistic_regression"
    winner_path = f"winners/{experiment}.json"
    settings = {name: setting(facts, name) for name in SETTINGS}
    last = workspace.read_document(winner_path) or {}
    seeds = [*valid, last_parameters(last)]
    telemetry = Telemetry(f"dream/runner_{cycle['run_tag']}.log")
    best, generation = search(seeds, settings, random.Random(set_of(judged)), telemetry)
    winner = {
        "updated_at": workspace.now(),
        "experiment": experiment,
        "run_tag": cycle["run_tag"],
        "best": best,
        "settings": settings,
    }
    workspace.replace_document(winner_path, winner)
    with open(workspace.beneath(winner_path), "rb") as file:
        cycle["winner_sha256"] = workspace.sha256(file.read())
    cycle.update(
        status="winner_found",
        generation=generation,
        experiment=experiment,
        winner_path=winner_path,
        fitness=best["fitness"],
        telemetry_path=telemetry.path,
        telemetry_sha256=telemetry.close(),
    )
    return cycle


def last_parameters(winner):
    """The parameters of the last winner that this search tunes and that are within their bounds."""
    best = winner.get("best")
    params = best.get("params") if isinstance(best, dict) else None
    found = params.items() if isinstance(params, dict) else ()
    return {name: value for name, value in found if is_number(value) and name in BOUNDS}


def setting(facts, name):
    """How far the search goes: by the trigger's facts, else by the environment, else by default."""
    variable, default, low, high = SETTINGS[name]
    given = facts.get(name, os.environ.get(variable, default))
    try:
        value = int(given)
    except (TypeError, ValueError):
        raise workspace.Malformed(f"{name} is {given!r}, a whole number is expected") from None
    if not low <= value <= high:
        raise workspace.Malformed(f"{name} is {value}, {low} to {high} is allowed")
    return value


class Telemetry:
    """What the search tells while it runs: to people now, to the file for later."""

    def __init__(self, path):
        self.path = path
        self.lines = []

    def tell(self, line):
        """Tells one line."""
        workspace.progress(line)
        self.lines.append(line)

    def close(self):
        """Writes the file; gives its hash."""
        data = ("\n".join(self.lines) + "\n").encode()
        workspace.replace(self.path, data)
        return workspace.sha256(data)


def search(seeds, settings, chance, telemetry):
    """Evolves parameters: the best survive, the others are their children. Gives the best and the
    number of generations."""
    training, validation = make_data()
    measured = {}

    def measure(params):
        key = (params["learning_rate"], params["batch_size"])
        if key not in measured:
            measured[key] = train(params, training, validation, settings["epochs"])
        return measured[key]

    population = [bounded(seed, chance) for seed in seeds][: settings["population"]]
    while len(population) < settings["population"]:
        population.append(bounded({}, chance))
    for generation in range(1, settings["generations"] + 1):
        population.sort(key=lambda params: -measure(params)["fitness"])
        best = population[0]
        found = measure(best)
        telemetry.tell(
            f"generation: {generation} fitness: {found['fitness']:.6f}"
            f" accuracy: {found['metrics']['accuracy']:.4f}"
            f" learning_rate: {best['learning_rate']:g} batch_size: {best['batch_size']}"
        )
        if generation < settings["generations"]:
            parents = population[: max(2, settings["population"] // 3)]
            children = settings["population"] - len(parents)
            population = parents + [child_of(parents, chance) for _ in range(children)]
    found = measure(best)
    telemetry.tell(f"models trained and measured: {len(measured)}")
    return {"fitness": found["fitness"], "params": best, "metrics": found["metrics"]}, generation


def bounded(seed, chance):
    """Parameters within their bounds: those of `seed`, and by chance what it leaves open."""
    low, high = BOUNDS["learning_rate"]
    rate = seed.get("learning_rate", 10 ** chance.uniform(math.log10(low), math.log10(high)))
    low_size, high_size = BOUNDS["batch_size"]
    size = seed.get("batch_size", round(2 ** chance.uniform(0, math.log2(high_size))))
    return {
        "learning_rate": min(high, max(low, float(f"{rate:.4g}"))),
        "batch_size": min(high_size, max(low_size, round(size))),
    }


def child_of(parents, chance):
    """A child: each parameter of one of two parents, moved a little on a logarithmic scale."""
    one, other = chance.sample(parents, 2)
    rate = chance.choice((one, other))["learning_rate"] * 10 ** chance.gauss(0.0, 0.25)
    size = chance.choice((one, other))["batch_size"] * 2 ** chance.gauss(0.0, 0.6)
    return bounded({"learning_rate": rate, "batch_size": size}, chance)


def make_data():
    """Two classes that overlap: training and validation examples, always the same."""
    chance = random.Random(DATA_SEED)
    truth = [chance.gauss(0.0, 1.5) for _ in range(FEATURES)]
    examples = []
    for _ in range(TRAINING_COUNT + VALIDATION_COUNT):
        x = [chance.gauss(0.0, 1.0) for _ in range(FEATURES)]
        score = sum(w * v for w, v in zip(truth, x)) + chance.gauss(0.0, 0.8)
        examples.append(([*x, 1.0], 1.0 if chance.random() < sigmoid(score) else 0.0))
    return examples[:TRAINING_COUNT], examples[TRAINING_COUNT:]


def train(params, training, validation, epochs):
    """Trains one model by stochastic gradient descent and measures it on the validation data."""
    rate, size = params["learning_rate"], params["batch_size"]
    chance = random.Random(DATA_SEED)
    weights = [0.0] * (FEATURES + 1)
    order = list(training)
    for _ in range(epochs):
        chance.shuffle(order)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            gradient = [0.0] * len(weights)
            for x, y in batch:
                error = sigmoid(sum(w * v for w, v in zip(weights, x))) - y
                for index, value in enumerate(x):
                    gradient[index] += error * value
            step = rate / len(batch)
            weights = [w - step * g for w, g in zip(weights, gradient)]
    loss, right = 0.0, 0
    for x, y in validation:
        p = min(1.0 - 1e-12, max(1e-12, sigmoid(sum(w * v for w, v in zip(weights, x)))))
        loss -= math.log(p if y else 1.0 - p)
        right += (p >= 0.5) == (y == 1.0)
    log_loss = loss / len(validation)
    metrics = {"accuracy": round(right / len(validation), 6), "log_loss": round(log_loss, 6)}
    return {"fitness": round(math.exp(-log_loss), 6), "metrics": metrics}


def sigmoid(score):
    """The probability that belongs to a score."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, score))))


if __name__ == "__main__":
    workspace.main(dream, failure_facts)
