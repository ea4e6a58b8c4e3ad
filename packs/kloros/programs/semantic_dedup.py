"""Keeps what is known of each module, and tells modules that say nearly the same.

In: `Q_INVESTIGATION_COMPLETE`; the record that it names in `curiosity_investigations.jsonl`. Out:
`semantic_evidence.json`, a line in `semantic_processed_investigations.jsonl`, and the facts of
`Q_EVIDENCE_UPDATED`.

Likeness is the Jaccard similarity of word 3-grams, estimated from the 256 smallest hashes of each
module (exact below 256 shingles). An investigation that found nothing, or whose package has changed
since, asks to be done again; a rule grants that once for each state of the evidence. Five failures in
a row suppress a module. The line is written last: an investigation without one is taken again.
"""

import os
import re

import workspace
from investigate import INVESTIGATIONS, describe

EVIDENCE = "semantic_evidence.json"
PROCESSED = "semantic_processed_investigations.jsonl"
DUPLICATE_FROM = 0.85
SKETCH_MAX = 256
FAILURES_MAX = 5


def deduplicate(facts):
    """Takes one investigation into the store, once."""
    timestamp = facts.get("investigation_timestamp")
    if not isinstance(timestamp, str) or not timestamp:
        raise workspace.Malformed("facts: investigation_timestamp is missing")
    with workspace.Journal(PROCESSED) as journal:
        line = journal.newest(
            timestamp, lambda found: found.get("investigation_timestamp") == timestamp
        )
        if line is None:
            store = workspace.read_document(EVIDENCE) or {}
            result = take(store, find_record(timestamp))
            workspace.replace_document(EVIDENCE, store)
            line = {
                "investigation_timestamp": timestamp,
                "module_name": result["module_name"],
                "processed_at": workspace.now(),
                "result": result,
            }
            journal.append(line)
    result = line.get("result") or {"status": "processed", "reinvestigate": False}
    workspace.progress(f"{result.get('module_name')}: {result['status']}")
    return result


def failure_facts(facts):
    """The facts of `Q_EVIDENCE_FAILED`."""
    return {key: facts.get(key) for key in ("investigation_timestamp", "module_name")}


def find_record(timestamp):
    """The investigation of this time; it was on disk before its signal was sent."""
    with open(workspace.beneath(INVESTIGATIONS), "rb") as file:
        record = workspace.newest_in(
            file.fileno(), timestamp, lambda found: found.get("timestamp") == timestamp
        )
    if record is None:
        raise workspace.Malformed(f"{INVESTIGATIONS}: no record of {timestamp}")
    return record


def take(store, record):
    """Puts `record` into `store`; says what is new about it."""
    name, path = record.get("module_name"), record.get("module_path")
    result = {
        "investigation_timestamp": record["timestamp"],
        "module_name": name,
        "module_path": path,
        "capability_key": record.get("capability"),
        "question": (record.get("question") or "")[:2000],
        "hypothesis": record.get("hypothesis"),
        "evidence_hash": record.get("evidence_hash") or "",
        "similarity": 0.0,
        "duplicate_of": None,
        "reinvestigate": False,
        "reinvestigate_reason": None,
        "status": "not_a_module",
    }
    if not name:
        return result
    key = name if store.get(name, {}).get("module_path", path) == path else path
    entry = store.setdefault(key, {"discovered_at": record["timestamp"], "module_path": path})
    suppression = entry.setdefault("suppression", no_suppression())
    if record.get("status") != "completed":
        count_failure(suppression, record)
        result["status"] = "suppressed" if suppression["suppressed"] else "failed"
        return result
    suppression.update(no_suppression())
    learn(entry, record)
    link(store, key, entry, record)
    result["duplicate_of"], result["similarity"] = most_similar(store, key, entry)
    is_duplicate = result["similarity"] >= DUPLICATE_FROM
    result["status"] = "near_duplicate" if is_duplicate else "recorded"
    entry["duplicate_of"] = result["duplicate_of"] if is_duplicate else None
    if not is_duplicate:
        result["duplicate_of"] = None
    reason = doubt(record)
    result.update(reinvestigate=reason is not None, reinvestigate_reason=reason)
    return result


def no_suppression():
    """The state of a module that was investigated with success."""
    return {
        "suppressed": False,
        "reason": None,
        "first_attempt": None,
        "last_attempt": None,
        "failure_count": 0,
        "suppress_until": None,
        "user_can_override": True,
    }


def count_failure(suppression, record):
    """Counts a failed investigation, once: its record is taken once, or as the last one again."""
    if suppression["last_attempt"] == record["timestamp"]:
        return
    suppression["first_attempt"] = suppression["first_attempt"] or record["timestamp"]
    suppression["last_attempt"] = record["timestamp"]
    suppression["failure_count"] += 1
    if suppression["failure_count"] >= FAILURES_MAX:
        suppression.update(suppressed=True, reason=f"{FAILURES_MAX} failures in a row")


def learn(entry, record):
    """Fills `entry` with what the investigation found."""
    words = (record.get("capabilities") or [""])[0] or record.get("question") or ""
    entry.update(
        provides_capabilities=record.get("capabilities") or [],
        key_abstractions=record.get("key_abstractions") or [],
        purpose=words[:100],
        evidence_hash=record.get("evidence_hash"),
        sketch=sketch(text_of(record)),
        last_updated=record["timestamp"],
    )
    entry.setdefault("used_by", [])
    entry.setdefault("integrates_with", [])


def link(store, key, entry, record):
    """Notes which known modules this one imports, in both directions."""
    imports = set(record.get("integration_points") or [])
    known = {
        other
        for other, its in store.items()
        if other != key and {other, its.get("module_path")} & imports
    }
    entry["integrates_with"] = sorted(known)
    for other, its in store.items():
        users = set(its.get("used_by") or []) - {key}
        its["used_by"] = sorted(users | {key}) if other in known else sorted(users)


def doubt(record):
    """Why the investigation should be done again, or None."""
    if not any(record.get(k) for k in ("capabilities", "key_abstractions", "callable_interface")):
        return "evidence_empty"
    try:
        path = workspace.beneath((record.get("module_path") or "").replace(".", "/"))
    except workspace.OutsideTheRoot:
        return None
    now, before = {}, record.get("source_sha256") or {}
    if os.path.isdir(path):
        describe(now, path)
    # The integrator adds this file at the same time; an addition of ours is no change of theirs.
    ours = os.path.join(workspace.relative(path), "__init__.py")
    found = {k: v for k, v in now.get("source_sha256", {}).items() if k in before or k != ours}
    return None if found == before else "source_changed"


def text_of(record):
    """Everything that the investigation says in words."""
    interface = record.get("callable_interface") or []
    parts = [
        *(record.get("capabilities") or []),
        *(record.get("key_abstractions") or []),
        *(f"{item.get('name')} {item.get('doc')}" for item in interface if isinstance(item, dict)),
        *(record.get("integration_points") or []),
    ]
    return " ".join(str(part) for part in parts)


def sketch(text):
    """The smallest hashes of the word 3-grams of `text`, in order."""
    words = re.findall(r"[a-z0-9]+", text.lower().replace("_", " "))
    grams = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()
    return sorted(workspace.sha256(gram)[:12] for gram in grams)[:SKETCH_MAX]


def similarity(one, other):
    """The Jaccard similarity of two sketches: of the smallest hashes of both, how many are in
    both."""
    if not one or not other:
        return 0.0
    together = sorted(set(one) | set(other))[:SKETCH_MAX]
    return sum(item in set(one) and item in set(other) for item in together) / len(together)


def most_similar(store, key, entry):
    """The other module that is most like this one, and how much."""
    best, most = None, 0.0
    for other in sorted(store):
        if other != key:
            found = similarity(entry["sketch"], store[other].get("sketch") or [])
            if found > most:
                best, most = other, found
    return best, round(most, 4)


if __name__ == "__main__":
    workspace.main(deduplicate, failure_facts)
