#!/usr/bin/env python3
"""The second verifier as one process that answers many questions, for `cargo xtask tamper`.

In: a JSON object in each line, with `op` and its arguments; bytes are hexadecimal. Out: a line with the
answer to each, in order. Half of the questions ask what verify_ledger.py says of something; the other
half ask made_ledger.py to make something, for the first verifier to judge.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import made_ledger
import verify_fork
from verify_ledger import (
    COSIGNATURE, ED25519, UNUSABLE, Checkpoint, Envelope, Key, Problem, Trust, Verification, root_by_inclusion,
    root_of, sha256,
)


def leaves(size: int) -> list[bytes]:
    """The leaves of the tree of this size that both sides make: the hash of each place in decimal."""
    return [sha256(b"\x00", b"%d" % place) for place in range(size)]


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(it) for it in hashes]


def verify(path: str, trust: str) -> dict[str, Any]:
    return Verification(Path(path), Trust(Path(trust).read_bytes())).run()


def fork(path: str, trust: str) -> dict[str, Any]:
    return verify_fork.verify(Path(path), Trust(Path(trust).read_bytes()))


def root(size: int) -> str:
    return root_of(leaves(size)).hex()


def inclusion(leaf: str, index: int, size: int, root: str, proof: list[str]) -> bool:
    try:
        return root_by_inclusion(bytes.fromhex(leaf), index, size, unhex(proof)).hex() == root
    except ValueError:
        return False


def consistency(old: int, old_root: str, new: int, new_root: str, proof: list[str]) -> bool:
    return verify_fork.is_extended(bytes.fromhex(old_root), old, bytes.fromhex(new_root), new, unhex(proof))


def checkpoint(note: str, keys: list[str]) -> Optional[dict[str, Any]]:
    """What the note says, and which of the keys signed it: none when a line of one of them does not fit."""
    try:
        parsed = Checkpoint(bytes.fromhex(note))
    except ValueError:
        return None
    try:
        signers = sorted(it.name for it in parsed.signers([parse_key(it) for it in keys]))
    except Problem:
        signers = []
    return {"origin": parsed.origin, "size": parsed.size, "root": parsed.root.hex(), "signers": signers}


def parse_key(text: str) -> Key:
    try:
        return Key(text, ED25519)
    except ValueError:
        return Key(text, COSIGNATURE)


def key(text: str) -> Optional[dict[str, Any]]:
    try:
        parsed = parse_key(text)
    except ValueError:
        return None
    return {"name": parsed.name, "id": parsed.id, "kind": parsed.kind, "public": parsed.data[1:].hex()}


def trust(text: str) -> bool:
    try:
        Trust(text.encode())
    except UNUSABLE:
        return False
    return True


def envelope(text: str) -> Optional[dict[str, Any]]:
    try:
        parsed = Envelope(bytes.fromhex(text), 0)
    except Problem:
        return None
    return {"seq": parsed.seq, "kind": parsed.kind, "leaf": parsed.leaf.hex(), "signatures": len(parsed.signatures)}


def make_inclusion(index: int, size: int) -> list[str]:
    return [it.hex() for it in made_ledger.inclusion_proof(index, leaves(size))]


def make_consistency(old: int, new: int) -> list[str]:
    return [it.hex() for it in made_ledger.consistency_proof(old, leaves(new))] if old else []


def make_note(origin: str, size: int, called: str, witness: str) -> dict[str, str]:
    """A checkpoint, signed and cosigned, with the verifier keys of both."""
    text = f"{origin}\n{size}\n{base64.b64encode(root_of(leaves(size))).decode()}\n".encode()
    log, vega = made_ledger.SigningKey(origin, called), made_ledger.SigningKey(witness, called, COSIGNATURE)
    note = text + b"\n" + log.line(text) + vega.line(text)
    return {"note": note.hex(), "log": log.verifier, "witness": vega.verifier}


def make_folder(path: str, size: int) -> str:
    """An exported folder with keys that come and go; the trust file's text."""
    ledger = made_ledger.journey(size)
    ledger.write(Path(path))
    return json.dumps(ledger.trust())


def make_bundle(path: str) -> str:
    """An evidence bundle; the trust file's text."""
    ledger = made_ledger.journey(620)
    ledger.append("run.settled", {"output": sha256(b"an output").hex()})
    ledger.write_bundle(Path(path), [6, 300, 620], [0, 5, 9, 250, 600], [b"an output"])
    return json.dumps(ledger.trust())


def make_fork(path: str) -> str:
    """A proof that a log was forked; the trust file's text."""
    first, second = made_ledger.journey(640), made_ledger.journey(620)
    second.append("signal.accepted", {"another": "story"})
    second.key_event("key.rotated", "log", "2")
    made_ledger.put(Path(path), json.dumps(made_ledger.fork_proof(first, second.fill(650))).encode())
    return json.dumps(first.trust())


ANSWERS: dict[str, Callable[..., Any]] = {
    it.__name__: it
    for it in (
        verify, fork, root, inclusion, consistency, checkpoint, key, trust, envelope, make_inclusion,
        make_consistency, make_note, make_folder, make_bundle, make_fork,
    )
}


def main() -> None:
    for line in sys.stdin:
        question = json.loads(line)
        answer = ANSWERS[question.pop("op")](**question)
        print(json.dumps(answer, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
