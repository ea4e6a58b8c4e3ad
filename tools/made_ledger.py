"""Ledgers made by hand for the tests of the verifier: records, keys, checkpoints, exported folders.

In: what should stand in the log, in order. Out: its bytes, the same for the same calls. Written from
docs/reference/ledger.md alone; nothing is checked here, so that what a ledger must not be can be made.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Optional

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "example.com/antiphon/test"


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01", tree_root(leaves[:half]), tree_root(leaves[half:]))


def inclusion_proof(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, section 2.1.1."""
    if len(leaves) < 2:
        return []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if index < half:
        return inclusion_proof(index, leaves[:half]) + [tree_root(leaves[half:])]
    return inclusion_proof(index - half, leaves[half:]) + [tree_root(leaves[:half])]


def consistency_proof(old: int, leaves: list[bytes], is_whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if is_whole else [tree_root(leaves)]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if old <= half:
        return consistency_proof(old, leaves[:half], is_whole) + [tree_root(leaves[half:])]
    return consistency_proof(old - half, leaves[half:], False) + [tree_root(leaves[:half])]


class SigningKey:
    """An Ed25519 key whose seed is the hash of what it is called here."""

    def __init__(self, name: str, called: str, kind: int = 1) -> None:
        self.name, self.kind = name, kind
        self.private = Ed25519PrivateKey.from_private_bytes(sha256(called.encode()))
        self.data = bytes([kind]) + self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha256(name.encode(), b"\n", self.data)[:4]
        self.verifier = f"{name}+{self.id.hex()}+{base64.b64encode(self.data).decode()}"

    def line(self, text: bytes, time: int = 1_700_000_000) -> bytes:
        message = text if self.kind == 1 else b"cosignature/v1\ntime %d\n" % time + text
        signature = (b"" if self.kind == 1 else time.to_bytes(8, "big")) + self.private.sign(message)
        return f"\u2014 {self.name} {base64.b64encode(self.id + signature).decode()}\n".encode()


class Ledger:
    """A log that is being made; `entries` and `bodies` may be changed by hand before it is written."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.entries: list[bytes] = []
        self.bodies: list[Optional[bytes]] = []
        self.keys = {agent: self.key(agent, "0") for agent in ("log", "operator", "owner", "recovery")}
        keys = [self.member(agent) for agent in self.keys]
        self.append("log.created", {"format": 1, "id": "made", "keys": keys, "origin": origin, "version": "0"})

    def key(self, agent: str, generation: str) -> SigningKey:
        name = self.origin if agent == "log" else f"{self.origin}/{agent}"
        return SigningKey(name, f"{name} {generation}")

    def member(self, agent: str) -> dict[str, Any]:
        return {"agent": agent, "custodial": True, "key": self.keys[agent].verifier}

    def append(self, kind: str, body: Any, subject: str = "", by: tuple[tuple[str, SigningKey], ...] = ()) -> int:
        seq, data = len(self.entries), canonical(body)
        salted = sha256(b"salt %d" % seq)[:16] + data
        body_hash = sha256(b"antiphon/body/v1\0", salted)
        message = f"antiphon/signature/v1\0{self.origin}\n{kind}\n{subject}\n".encode() + body_hash
        signatures = [
            f"{agent}+{key.id.hex()} {subject} {base64.b64encode(key.private.sign(message)).decode()}"
            for agent, key in by
        ]
        prev = sha256(b"\0", self.entries[-1]) if self.entries else bytes(32)
        envelope = {
            "body_bytes": len(data), "body_sha256": body_hash.hex(), "elapsed": seq * 10, "kind": kind,
            "prev": prev.hex(), "seq": seq, "time": "2026-11-20T15:36:52.001Z", "v": 1,
        }
        self.entries.append(canonical({**envelope, "sig": signatures} if signatures else envelope))
        self.bodies.append(salted)
        return seq

    def signed(self, kind: str, body: Any, subject: str, *agents: str) -> int:
        return self.append(kind, body, subject, tuple((agent, self.keys[agent]) for agent in agents))

    def fill(self, size: int) -> Ledger:
        while len(self.entries) < size:
            self.append("signal.accepted", {"n": len(self.entries), "text": "é\n"})
        return self

    def key_event(self, kind: str, agent: str, generation: str, **members: Any) -> int:
        """A key event as it must be: the new key is taken, and signs beside who must."""
        old, new = self.keys.get(agent), self.key(agent, generation)
        by = {
            "key.registered": ("operator", self.keys["operator"]), "key.revoked": ("recovery", self.keys["recovery"]),
            "key.rotated": (agent, old or new),
        }[kind]
        body = {"agent": agent, "by": "operator", "custodial": True, "key": new.verifier, **members}
        if old and kind != "key.registered":
            body.setdefault("of", old.id.hex())
        self.keys[agent] = new
        return self.append(kind, body, f"key:{agent}", (by, (agent, new)))

    def rechain(self, start: int) -> None:
        """Gives every record from `start` on the hash of the one before, as somebody without keys can."""
        for seq in range(max(start, 1), len(self.entries)):
            envelope = json.loads(self.entries[seq])
            envelope["prev"] = sha256(b"\0", self.entries[seq - 1]).hex()
            self.entries[seq] = canonical(envelope)

    def leaves(self) -> list[bytes]:
        return [sha256(b"\0", entry) for entry in self.entries]

    def text(self, size: Optional[int] = None) -> bytes:
        leaves = self.leaves()[:size]
        return f"{self.origin}\n{len(leaves)}\n{base64.b64encode(tree_root(leaves)).decode()}\n".encode()

    def checkpoint(self, *keys: SigningKey, size: Optional[int] = None) -> bytes:
        text = self.text(size)
        return text + b"\n" + b"".join(key.line(text) for key in (keys or (self.keys["log"],)))

    def trust(self, **members: Any) -> dict[str, Any]:
        first = Ledger(self.origin)
        return {
            "origin": self.origin, "log_key": first.keys["log"].verifier, "key_size": 0,
            "recovery_key": first.keys["recovery"].verifier, "witnesses": [], "cosignatures_required": 0, **members,
        }

    def write(self, folder: Path, checkpoint: Optional[bytes] = None) -> Path:
        """The exported folder."""
        put(folder / "checkpoint", checkpoint or self.checkpoint())
        hashes, level = self.leaves(), 0
        while hashes:
            for start in range(0, len(hashes), 256):
                put(folder / f"tile/{level}" / place(start // 256, len(hashes) - start), b"".join(hashes[start:][:256]))
            full = len(hashes) // 256
            hashes, level = [tree_root(hashes[at * 256 : at * 256 + 256]) for at in range(full)], level + 1
        for start in range(0, len(self.entries), 256):
            name = place(start // 256, len(self.entries) - start)
            entries = [len(it).to_bytes(2, "big") + it for it in self.entries[start:][:256]]
            bodies = [
                b"\xff\xff\xff\xff" if it is None else len(it).to_bytes(4, "big") + it
                for it in self.bodies[start:][:256]
            ]
            put(folder / "tile/entries" / name, b"".join(entries))
            put(folder / "body" / name, b"".join(bodies))
        return folder

    def write_bundle(self, folder: Path, records: list[int], keys: list[int], outputs: list[bytes]) -> Path:
        leaves, checkpoint = self.leaves(), self.checkpoint()
        for seq in {*records, *keys}:
            proof = [base64.b64encode(it).decode() for it in inclusion_proof(seq, leaves)]
            head = "\n".join(["c2sp.org/tlog-proof@v1", f"index {seq}", *proof, "", ""])
            put(folder / f"records/{seq}.envelope", self.entries[seq])
            put(folder / f"records/{seq}.tlog-proof", head.encode() + checkpoint)
            body = self.bodies[seq]
            if body is not None:
                put(folder / f"records/{seq}.body", body)
        for output in outputs:
            put(folder / "evidence" / sha256(output).hex(), output)
        bundle = {"format": 1, "run": "made", "origin": self.origin, "records": records, "keys": keys}
        put(folder / "bundle.json", canonical({**bundle, "evidence": [sha256(it).hex() for it in outputs]}))
        put(folder / "checkpoint", checkpoint)
        return folder


def journey(size: int) -> Ledger:
    """A log of this size, 620 or more, with every signed kind, keys that come and go, and three bundles."""
    ledger = Ledger().fill(3)
    ledger.signed("config.applied", {"policy": 1}, "policy:ab", "owner")
    ledger.signed("guard.changed", {"mode": "pause"}, "guards", "operator")
    ledger.key_event("key.registered", "LARS", "1")
    ledger.signed("config.applied", {"policy": 2}, "policy:cd", "LARS")
    ledger.signed("task.changed", {"enabled": False}, "task:a task", "operator")
    ledger.signed("ask.answered", {"answer": "yes"}, "ask:7", "LARS")
    ledger.key_event("key.rotated", "LARS", "2")
    ledger.fill(250)
    ledger.key_event("key.rotated", "log", "1")
    ledger.signed("log.restored", {"by": "operator", "epoch": 2, "reason": "r", "size": 3}, "log", "recovery")
    ledger.fill(600)
    ledger.key_event("key.revoked", "operator", "1", from_seq=400, reason='lost "it"')
    ledger.signed("log.cut", {"by": "operator"}, "log", "recovery")
    return ledger.fill(size)


def fork_proof(first: Ledger, second: Ledger) -> dict[str, Any]:
    """What shows that both were signed, compared at the size of the smaller one."""
    size = min(len(first.entries), len(second.entries))

    def encoded(hashes: list[bytes]) -> list[str]:
        return [base64.b64encode(it).decode() for it in hashes]

    def branch(ledger: Ledger) -> dict[str, Any]:
        leaves = ledger.leaves()
        keys = []
        for seq, (entry, body) in enumerate(zip(ledger.entries, ledger.bodies)):
            if seq == 0 or b'"kind":"key.' in entry:
                envelope, salted = encoded([entry, body or b""])
                proof = encoded(inclusion_proof(seq, leaves))
                keys.append({"seq": seq, "envelope": envelope, "body": salted, "proof": proof})
        root, proof = encoded([tree_root(leaves[:size])])[0], encoded(consistency_proof(size, leaves))
        return {"checkpoint": ledger.checkpoint().decode(), "root": root, "proof": proof, "keys": keys}

    return {"format": 1, "origin": first.origin, "size": size, "branches": [branch(first), branch(second)]}


def place(index: int, width: int) -> str:
    """Where tile or bundle `index` is, with `width` or more entries of it there."""
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return "/".join(parts) + ("" if width >= 256 else f".p/{width}")


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
