#!/usr/bin/env python3
"""Verifies what a ledger of Antiphon shows to an outsider: a second opinion.

In: an exported folder or an evidence bundle, and a trust file; origin, keys and earlier head are believed from
there only. Out: one JSON document with the first problem; exit 0, or 5 with one, 78 without a usable trust file.
Not here: proofs of forks (verify_fork.py), a root's database. Needs Python 3.9 and the package `cryptography`.
Written from docs/reference/ledger.md, docs/reference/log-format.md, RFC 6962 and C2SP's signed-note,
tlog-checkpoint, tlog-tiles, tlog-proof and tlog-cosignature, not from the other verifier.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE_WIDTH, SALT_BYTES, PRUNED, ED25519, COSIGNATURE = 256, 16, b"\xff\xff\xff\xff", 0x01, 0x04
ENVELOPE_BYTES_MAX, NOTE_BYTES_MAX, SIGNATURES_MAX, INTEGER_MAX = 4096, 64 * 1024, 100, 2**53 - 1
# Signed kinds: the subject, or how it begins; and the agent that signs, where it may not be any.
SIGNED = {
    "config.applied": ("policy:", ""), "guard.changed": ("guards", ""), "task.changed": ("task:", ""),
    "ask.answered": ("ask:", ""), "key.registered": ("key:", "operator"), "key.rotated": ("key:", "itself"),
    "key.revoked": ("key:", "recovery"), "log.cut": ("log", "recovery"), "log.restored": ("log", "recovery"),
}
NEVER_PRUNED = {"log.created", "snapshot.taken", *SIGNED}
KEY_EVENTS = {
    "log.created": {"format": int, "id": str, "keys": list, "origin": str, "version": str},
    "key.registered": {"agent": str, "by": str, "custodial": bool, "key": str},
    "key.rotated": {"agent": str, "by": str, "custodial": bool, "key": str, "of": str},
    "key.revoked": {"agent": str, "by": str, "custodial": bool, "from_seq": int, "key": str, "of": str, "reason": str},
}
ENVELOPE = re.compile(
    rb'\{"body_bytes":(0|[1-9][0-9]*),"body_sha256":"([0-9a-f]{64})","elapsed":(0|[1-9][0-9]*),'
    rb'"kind":"([a-z0-9._]{1,64})","prev":"([0-9a-f]{64})","seq":(0|[1-9][0-9]*),'
    rb'(?:"sig":\["([ !#-\[\]-~]+(?:","[ !#-\[\]-~]+)*)"\],)?'
    rb'"time":"([0-9]{4})-([0-9]{2})-([0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z",'
    rb'"v":(0|[1-9][0-9]*)\}'
)
SIGNATURE = re.compile(r"([A-Za-z0-9_-]{1,64})\+([0-9a-f]{8}) (.*) ([^ ]+)")
KEY_NAME = r"[^\s+\x00-\x1f\x7f-\x9f]+"
UNUSABLE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class Problem(Exception):
    """What is wrong: a stable code, the record if it is one's, and words for people."""


def hold(claim: object, code: str, seq: Optional[int], detail: str) -> None:
    if not claim:
        raise Problem(code, seq, detail)


def want(claim: object, otherwise: str) -> None:
    """Raises ValueError, for what has not the form that it should have."""
    if not claim:
        raise ValueError(otherwise)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01", left, right)


def root_of(hashes: list[bytes]) -> bytes:
    """The root of RFC 6962 over leaves, or over roots of equal full trees; an odd one out moves up as it is."""
    while len(hashes) > 1:
        pairs = [node_of(left, right) for left, right in zip(hashes[::2], hashes[1::2])]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0] if hashes else sha256()


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root to which an inclusion proof leads; ValueError when it has another length."""
    want(0 <= index < size and bool(proof) == (size > 1), "a proof of another length")
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1  # the largest power of two below
    if index < half:
        return node_of(root_by_inclusion(leaf, index, half, proof[:-1]), proof[-1])
    return node_of(proof[-1], root_by_inclusion(leaf, index - half, size - half, proof[:-1]))


def strict_base64(text: str) -> bytes:
    data = base64.b64decode(text.encode("ascii"), validate=True)
    want(base64.b64encode(data).decode("ascii") == text, "not the encoding of its bytes")
    return data


def hash_of(text: str) -> bytes:
    data = strict_base64(text)
    want(len(data) == 32, "no hash")
    return data


class Key:
    """A verifier key, ValueError for none of its kind; in a log also whose, where valid, and what it signed."""

    def __init__(self, text: str, kind: int) -> None:
        self.text, self.kind, self.agent, self.first, self.last = text, kind, "", 0, INTEGER_MAX
        self.name, self.id, encoded = text.split("+", 2)
        self.data, self.signed = strict_base64(encoded), dict[bytes, int]()
        want(re.fullmatch(KEY_NAME, self.name) and len(self.data) == 33 and self.data[0] == kind, "no key of its kind")
        want(sha256(self.name.encode(), b"\n", self.data)[:4].hex() == self.id, "the id is not the key's")

    def fits(self, signature: bytes, message: bytes) -> bool:
        if self.kind == COSIGNATURE:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = b"cosignature/v1\ntime %d\n" % time + message
        try:
            Ed25519PublicKey.from_public_bytes(self.data[1:]).verify(signature, message)
            return self.kind == ED25519 or time < 2**63
        except (InvalidSignature, ValueError):
            return False


class Checkpoint:
    """A signed note about a tree; `lines` are (key name, key id, signature). ValueError for none."""

    def __init__(self, note: bytes) -> None:
        plain = len(note) <= NOTE_BYTES_MAX and all(byte >= 0x20 or byte == 0x0A for byte in note)
        want(plain, "too long, or control characters")
        text, separator, lines = note.decode("utf-8").rpartition("\n\n")
        want(separator and lines.endswith("\n") and lines.count("\n") <= SIGNATURES_MAX, "no text and signatures")
        self.origin, size, root = text.split("\n")
        want(re.fullmatch(r"[^\x7f-\x9f]+", self.origin) and len(self.origin.encode()) <= 255, "no origin")
        want(re.fullmatch(r"0|[1-9][0-9]{0,15}", size) and int(size) <= INTEGER_MAX, "no size")
        self.note, self.text, self.size, self.root = note, (text + "\n").encode(), int(size), hash_of(root)
        self.lines: list[tuple[str, str, bytes]] = []
        for line in lines[:-1].split("\n"):
            dash, name, encoded = line.split(" ")
            data = strict_base64(encoded)
            want(dash == "\u2014" and re.fullmatch(KEY_NAME, name) and len(data) > 4, "no signature line")
            self.lines.append((name, data[:4].hex(), data[4:]))

    def signers(self, known: list[Key]) -> list[Key]:
        """Which of the known keys signed; a line of one that does not fit refuses the note."""
        for name, key_id, signature in self.lines:
            for key in known:
                fits = (key.name, key.id) != (name, key_id) or key.fits(signature, self.text)
                hold(fits, "checkpoint.signature", None, f"the line of {name} does not fit")
        return [key for key in known if any((key.name, key.id) == line[:2] for line in self.lines)]


class Trust:
    """What the verifier believes without asking the log; one of UNUSABLE for none."""

    def __init__(self, data: bytes) -> None:
        members = json.loads(data)
        needed = ["origin", "key_size", "cosignatures_required", "log_key", "witnesses"]
        want({*needed} <= members.keys() <= {*needed, "recovery_key", "head"}, "members are missing or unknown")
        recovery, head, witnesses = members.get("recovery_key"), members.get("head"), members["witnesses"]
        self.origin, self.key_size, self.required = (members[it] for it in needed[:3])
        self.log_key = Key(members["log_key"], ED25519)
        self.recovery_key = None if recovery is None else Key(recovery, ED25519)
        self.head = None if head is None else Checkpoint(head.encode())
        want(type(witnesses) is list, "witnesses are no list")
        self.witnesses = [Key(it, COSIGNATURE) for it in sorted(set(witnesses))]
        want(re.fullmatch(r"[A-Za-z0-9._/-]{1,128}", self.origin), "no origin")
        want(not self.head or self.head.origin == self.origin, "a head of another origin")
        numbers = (self.key_size, self.required)
        want(all(type(it) is int and 0 <= it <= INTEGER_MAX for it in numbers), "a number is none")


class Envelope:
    """What a record says of itself; `prev` and `leaf` chain it."""

    def __init__(self, data: bytes, seq: int) -> None:
        try:
            match = ENVELOPE.fullmatch(data)
            want(match and len(data) <= ENVELOPE_BYTES_MAX, "the bytes are no envelope")
            size, body_hash, elapsed, kind, prev, own_seq, sig, *date, version = match.groups(b"") if match else ()
            self.seq, self.kind, self.prev = int(own_seq), kind.decode(), bytes.fromhex(prev.decode())
            self.body_bytes, self.body_sha256 = int(size), bytes.fromhex(body_hash.decode())
            self.version, self.signatures = int(version), sig.decode().split('","') if sig else []
            self.leaf = sha256(b"\x00", data)
            want(max(int(elapsed), self.seq) <= INTEGER_MAX, "a number is too large")
            want(max(self.body_bytes, self.version) < 2**32, "a number is too large")
            year, month, day = map(int, date)
            datetime.date(year % 400 + 400, month, day)  # the calendar repeats, and has no year 0 there
        except ValueError as error:
            raise Problem("envelope.malformed", seq, str(error)) from error


class Keys:
    """The keys of a log, as its records bring and end them."""

    def __init__(self, origin: str) -> None:
        self.origin, self.all = origin, list[Key]()

    def at(self, agent: str, place: int) -> Optional[Key]:
        return next((it for it in self.all if it.agent == agent and it.first <= place <= it.last), None)

    def check(self, record: Envelope, body: bytes) -> None:
        """Checks the record's signatures, and takes the keys that it brings."""
        new, old, last = None, None, record.seq
        if record.kind in KEY_EVENTS or record.seq == 0:
            try:
                event = self._event(record, body[SALT_BYTES:].decode("utf-8"))
                if record.kind != "log.created":
                    new, old = self._key(event, record.seq + 1), self._replaced(record, event)
                    last = event.get("from_seq", record.seq + 1) - 1
            except UNUSABLE as error:
                raise Problem("key.malformed", record.seq, str(error)) from error
        self._check_signatures(record, new)
        if old:
            old.last = last
            refused = min((seq for seq in old.signed.values() if seq > last), default=None)
            hold(refused is None, "signature.key", refused, f"its key was revoked from {last + 1} on")
        self.all += [new] if new else []

    def _event(self, record: Envelope, text: str) -> dict[str, Any]:
        want((record.kind == "log.created") == (record.seq == 0), f"{record.kind} has no place here")
        event: dict[str, Any] = json.loads(text)
        canonical = json.dumps(event, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        want(record.version == 1 and canonical == text, "another version, or not canonical")
        if event.get("from_seq", 0) is None:
            event["from_seq"] = record.seq
        want({name: type(it) for name, it in event.items()} == KEY_EVENTS[record.kind], "its members are others")
        if record.kind == "log.created":
            want(event["format"] == 1 and event["origin"] == self.origin, "another format or origin")
            agents, first = [it["agent"] for it in event["keys"]], ["log", "operator", "owner"]
            want(agents in (first, first + ["recovery"]), "other agents than a log begins with")
            for member in event["keys"]:
                want(len(member) == 3 and type(member["custodial"]) is bool, "a key's members are others")
                self.all.append(self._key(member, 0))
        return event

    def _key(self, member: dict[str, Any], first: int) -> Key:
        key, agent = Key(member["key"], ED25519), member["agent"]
        key.agent, key.first = agent, first
        named = key.name == (self.origin if agent == "log" else f"{self.origin}/{agent}")
        want(named and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", agent), "the key is not named as its agent asks")
        want(all(it.data != key.data for it in self.all), "the log has had this key")
        return key

    def _replaced(self, record: Envelope, event: dict[str, Any]) -> Optional[Key]:
        agent, old = event["agent"], self.at(event["agent"], record.seq)
        if record.kind == "key.registered":
            want(agent not in ["log", "recovery"] + [it.agent for it in self.all], f"{agent} is not registered")
            return None
        want(old and old.id == event["of"], f"{event['of']} is not the valid key of {agent}")
        if old and "from_seq" in event:
            want(agent != "recovery" and old.first <= event["from_seq"] <= record.seq, "not revoked from there")
        return old

    def _check_signatures(self, record: Envelope, new: Optional[Key]) -> None:
        seq, kind = record.seq, record.kind
        if kind not in SIGNED:
            hold(not record.signatures, "signature.unexpected", seq, f"{kind} is not signed")
            return
        subject, asked = SIGNED[kind]
        if subject == "log" and all(it.agent != asked for it in self.all):
            asked = "owner"  # That a log without a recovery key was cut or restored is said by its owner.
        if new:
            subject, asked = subject + new.agent, new.agent if asked == "itself" else asked
        signers = [self._signer(record, subject, text, new) for text in record.signatures]
        agents = {it.agent for it in signers if it is not new}
        enough = (asked in agents if asked else agents - {"log", "recovery"}) and (not new or new in signers)
        hold(enough, "signature.missing", seq, f"{kind} is not signed by whom it must be")
        hold(len(signers) == (2 if new else 1), "signature.unexpected", seq, f"{kind} is signed by too many")
        for key in signers:
            key.signed[record.body_sha256] = seq

    def _signer(self, record: Envelope, subject: str, text: str, new: Optional[Key]) -> Key:
        seq, match = record.seq, SIGNATURE.fullmatch(text)
        agent, key_id, its, encoded = match.groups() if match else ("", "", "", "")
        fits = its == subject or subject in ("policy:", "task:", "ask:") and its.startswith(subject)
        try:
            want(match and fits, "another form, or another subject")
            signature = strict_base64(encoded)
        except ValueError as error:
            raise Problem("signature.invalid", seq, str(error)) from error
        keys = [*self.all, new] if new else self.all
        key = next((it for it in keys if (it.agent, it.id) == (agent, key_id)), None)
        if key is None:
            raise Problem("key.unknown", seq, f"the log has no key {agent}+{key_id}")
        hold(key is new or key.first <= seq <= key.last, "signature.key", seq, f"{agent}+{key_id} is not valid there")
        message = f"antiphon/signature/v1\0{self.origin}\n{record.kind}\n{its}\n".encode() + record.body_sha256
        hold(key.fits(signature, message), "signature.invalid", seq, f"that of {agent} does not fit")
        hold(record.body_sha256 not in key.signed, "signature.replayed", seq, f"{agent} has signed this body before")
        return key


# The verification.

Records = Iterator[tuple[int, bytes, Optional[bytes]]]  # place, envelope, body: `None` when it was pruned


def read(path: Path) -> Optional[bytes]:
    return path.read_bytes() if path.is_file() else None


def tile_path(index: int, width: int) -> str:
    digits = str(index).zfill(-(-len(str(index)) // 3) * 3)
    return re.sub(r"(...)(?=.)", r"x\1/", digits) + ("" if width == TILE_WIDTH else f".p/{width}")


def frames(data: bytes, prefix: int, count: int) -> tuple[list[Optional[bytes]], bytes]:
    """Up to `count` whole entries that are prefixed by their lengths, and the bytes behind them."""
    found, at = list[Optional[bytes]](), 0
    while len(found) < count:
        start, length = at + prefix, data[at : at + prefix]
        end = start if length == PRUNED else start + int.from_bytes(length, "big")
        if end > len(data):
            return found, b""
        found.append(None if length == PRUNED else data[start:end])
        at = end
    return found, data[at:]


class Verification:
    """One run: what was read, and the statement that comes of it."""

    def __init__(self, path: Path, trust: Trust) -> None:
        self.path, self.trust, self.keys = path, trust, Keys(trust.origin)
        self.leaves: dict[int, bytes] = {}
        self.statement: dict[str, Any] = {"root": None, "checkpoint_size": None, "pruned": 0, "cosigned_by": []}

    def run(self) -> dict[str, Any]:
        problems = []
        try:
            checkpoint = self.checkpoint_of(read(self.path / "checkpoint"))
            is_bundle = (self.path / "bundle.json").exists()
            (self.check_bundle if is_bundle else self.check_log)(checkpoint)
        except Problem as problem:
            problems = [dict(zip(("code", "seq", "detail"), problem.args))]
        return {"ok": not problems, "size": len(self.leaves), **self.statement, "problems": problems}

    def checkpoint_of(self, note: Optional[bytes]) -> Checkpoint:
        hold(note is not None, "checkpoint.missing", None, "there is no checkpoint")
        try:
            checkpoint = Checkpoint(note or b"")
        except ValueError as error:
            raise Problem("checkpoint.malformed", None, str(error)) from error
        self.statement["checkpoint_size"] = checkpoint.size
        hold(checkpoint.origin == self.trust.origin, "checkpoint.origin", None, f"it is of {checkpoint.origin}")
        return checkpoint

    def check_log(self, checkpoint: Checkpoint) -> None:
        self.check_records(self.records_of_log(checkpoint.size))
        leaves, head = list(self.leaves.values()), self.trust.head
        root = root_of(leaves)
        self.statement["root"] = root.hex()
        hold(root == checkpoint.root, "checkpoint.root", None, f"the records make the root {root.hex()}")
        self.check_tiles(leaves)
        if head:
            hold(head.size <= len(leaves), "head.ahead", None, f"a head of size {head.size} was seen")
            hold(root_of(leaves[: head.size]) == head.root, "head.fork", None, f"another root at size {head.size}")
        self.check_seal(checkpoint, self.trust.witnesses, self.trust.required)

    def records_of_log(self, size: int) -> Records:
        """A body that is not there, and not pruned, is empty: that is none."""
        for start in range(0, size, TILE_WIDTH):
            width = min(TILE_WIDTH, size - start)
            name = tile_path(start // TILE_WIDTH, width)
            entries, behind = frames(read(self.path / "tile/entries" / name) or b"", 2, width)
            bodies, behind_bodies = frames(read(self.path / "body" / name) or b"", 4, width)
            bodies += [b""] * (width - len(bodies))
            for seq, entry, body in zip(range(start, size), entries, bodies):
                yield seq, entry or b"", body
            hold(len(entries) == width, "checkpoint.size", start + len(entries), f"the log ends before {size}")
            hold(not behind, "envelope.malformed", start + width, "bytes behind the last entry")
            hold(not behind_bodies, "body.length", start + width, "bytes behind the last body")

    def check_records(self, records: Records) -> None:
        for seq, entry, body in records:
            record = Envelope(entry, seq)
            hold(record.seq == seq, "chain.seq", seq, f"record {record.seq} stands in its place")
            if record.prev != (self.leaves.get(seq - 1, record.prev) if seq else bytes(32)):
                raise Problem("chain.prev", self.changed(record, records), "one record does not follow from another")
            if body is None:
                self.statement["pruned"] += 1
                hold(record.kind not in NEVER_PRUNED, "body.pruned", seq, f"{record.kind} is never pruned")
            else:
                hold(len(body) == SALT_BYTES + record.body_bytes, "body.length", seq, f"{len(body)} bytes in all")
                fits = sha256(b"antiphon/body/v1\x00", body) == record.body_sha256
                hold(fits, "body.hash", seq, "the body is not the one of the envelope")
            self.keys.check(record, body or b"")
            self.leaves[seq] = record.leaf

    @staticmethod
    def changed(record: Envelope, later: Records) -> int:
        """Which of two that disagree was changed: the one after them tells, else it is the earlier."""
        try:
            seq, entry, _ = next(later)
            is_later = seq == record.seq + 1 and Envelope(entry, seq).prev != record.leaf
        except (StopIteration, Problem):
            is_later = False
        return record.seq if is_later else max(record.seq - 1, 0)

    def check_tiles(self, hashes: list[bytes]) -> None:
        level = 0
        while hashes:
            chunks = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes), TILE_WIDTH)]
            for index, chunk in enumerate(chunks):
                name = f"tile/{level}/{tile_path(index, len(chunk))}"
                tile, seq = read(self.path / name), index * TILE_WIDTH ** (level + 1)
                hold(tile is not None, "tile.missing", seq, name)
                hold(tile == b"".join(chunk), "tile.mismatch", seq, name)
            level, hashes = level + 1, [root_of(it) for it in chunks if len(it) == TILE_WIDTH]

    def check_seal(self, checkpoint: Checkpoint, witnesses: list[Key], required: int) -> None:
        trust, size = self.trust, checkpoint.size
        for agent, key in (("log", trust.log_key), ("recovery", trust.recovery_key)):
            its = self.keys.at(agent, trust.key_size) if trust.key_size <= size else None
            held = not key or its and its.text == key.text
            hold(held, "key.untrusted", None, f"the key of {agent} at {trust.key_size} is another")
        log = self.keys.at("log", size)
        signers = checkpoint.signers([*witnesses, log] if log else witnesses)
        hold(log in signers, "checkpoint.signature", None, "the log's key has not signed it")
        self.statement["cosigned_by"] = cosigned_by = sorted(it.name for it in signers if it.kind == COSIGNATURE)
        hold(len(cosigned_by) >= required, "cosignature.missing", None, f"{len(cosigned_by)} of {required} have")

    def check_proven(self, checkpoint: Checkpoint, records: Records, proof_of: Callable[[int], list[bytes]]) -> None:
        """Checks some records of a log, then that each is in the checkpoint."""
        self.check_records(records)
        for seq, leaf in self.leaves.items():
            proof = proof_of(seq)
            try:
                leads = root_by_inclusion(leaf, seq, checkpoint.size, proof) == checkpoint.root
            except ValueError:
                leads = False
            hold(leads, "proof.invalid", seq, "it does not lead from its envelope to the checkpoint")
        self.statement["root"] = checkpoint.root.hex()

    def check_bundle(self, checkpoint: Checkpoint) -> None:
        try:
            bundle = json.loads(read(self.path / "bundle.json") or b"")
            want(bundle.keys() == {"format", "run", "origin", "records", "keys", "evidence"}, "its members are others")
            records, keys, outputs = bundle["records"], bundle["keys"], bundle["evidence"]
            want(bundle["format"] == 1 and bundle["origin"] == checkpoint.origin, "another format or origin")
            want(all(type(it) is int and it >= 0 for it in [*records, *keys]), "a place is none")
            want([records, keys] == [sorted(set(records)), sorted(set(keys))], "its records are not in order")
            want(keys[:1] == [0], "record 0 is missing")
            want(type(outputs) is list and all(re.fullmatch(r"[0-9a-f]{64}", it) for it in outputs), "a hash is none")
        except UNUSABLE as error:
            raise Problem("bundle.malformed", None, str(error)) from error
        bodies: list[bytes] = []
        some = self.records_of_bundle(sorted({*records, *keys}), bodies)
        self.check_proven(checkpoint, some, lambda seq: self.read_proof(seq, checkpoint))
        head = self.trust.head
        if head and head.size == checkpoint.size:
            hold(head.root == checkpoint.root, "head.fork", None, f"another root at size {head.size}")
        self.check_seal(checkpoint, self.trust.witnesses, self.trust.required)
        for name in outputs:
            output = read(self.path / "evidence" / name)
            hold(output is not None, "evidence.missing", None, name)
            named = any(name.encode() in body for body in bodies)
            hold(named and sha256(output or b"").hex() == name, "evidence.hash", None, name)

    def records_of_bundle(self, seqs: list[int], bodies: list[bytes]) -> Records:
        for seq in seqs:
            entry, body = (read(self.path / f"records/{seq}.{it}") for it in ("envelope", "body"))
            hold(entry is not None, "bundle.malformed", seq, "the record is not there")
            bodies.append(body or b"")
            yield seq, entry or b"", body

    def read_proof(self, seq: int, checkpoint: Checkpoint) -> list[bytes]:
        text, separator, note = (read(self.path / f"records/{seq}.tlog-proof") or b"").partition(b"\n\n")
        try:
            first, index, *lines = text.decode("ascii").split("\n")
            want(separator and first == "c2sp.org/tlog-proof@v1" and index == f"index {seq}", "another format or index")
            hashes = [hash_of(line) for line in lines]
        except ValueError as error:
            raise Problem("proof.malformed", seq, str(error)) from error
        hold(note == checkpoint.note, "proof.invalid", seq, "it repeats another checkpoint")
        return hashes


def answer(verify: Callable[[Path, Trust], dict[str, Any]], description: str) -> int:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("path", type=Path)
    parser.add_argument("--trust", type=Path, required=True, help="the trust file")
    arguments = parser.parse_args()
    try:
        trust = Trust(arguments.trust.read_bytes())
    except (OSError, *UNUSABLE) as error:
        print(f"the trust file cannot be used: {error}", file=sys.stderr)
        return 78
    result = verify(arguments.path, trust)
    print(json.dumps(result, separators=(",", ":")))
    return 0 if result["ok"] else 5


if __name__ == "__main__":
    sys.exit(answer(lambda path, trust: Verification(path, trust).run(), "Verifies a folder that a ledger exported."))
