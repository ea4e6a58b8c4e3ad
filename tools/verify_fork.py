#!/usr/bin/env python3
"""Verifies a proof that one log has signed two histories, for whoever trusts its key and has neither.

In: the file that `antiphon ledger compare` writes, and a trust file. Out: one JSON document; exit 0 when the
fork is proven, or 5 with the reason why it is not, 78 without a usable trust file. Written from "Proof of a
fork" in docs/reference/ledger.md and RFC 6962, section 2.1.2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Optional

from verify_ledger import UNUSABLE, Problem, Trust, Verification, answer, hash_of, hold, node_of, sha256, strict_base64
from verify_ledger import want


def roots_by_consistency(known: Optional[bytes], old: int, new: int, proof: list[bytes]) -> tuple[bytes, bytes]:
    """Both roots to which a consistency proof leads, 0 < old; ValueError when it has another length.
    The old root is `known` as long as the old tree is a whole left part of the new one."""
    if old == new:
        want(len(proof) == (known is None), "a proof of another length")
        return (known, known) if known else (proof[0], proof[0])
    want(0 < old < new and proof, "a proof of another length")
    half = 1 << (new - 1).bit_length() - 1
    if old <= half:
        before, after = roots_by_consistency(known, old, half, proof[:-1])
        return before, node_of(after, proof[-1])
    before, after = roots_by_consistency(None, old - half, new - half, proof[:-1])
    return node_of(proof[-1], before), node_of(proof[-1], after)


class Branch:
    """One of the histories; one of UNUSABLE for none."""

    def __init__(self, members: dict[str, Any]) -> None:
        want(members.keys() == {"checkpoint", "root", "proof", "keys"}, "a branch has other members")
        self.note, self.root = members["checkpoint"].encode(), hash_of(members["root"])
        self.proof = [hash_of(it) for it in members["proof"]]
        self.records: list[tuple[int, bytes, Optional[bytes]]] = []
        self.proofs: dict[int, list[bytes]] = {}
        for key in members["keys"]:
            want(key.keys() == {"seq", "envelope", "body", "proof"}, "a record has other members")
            want(type(key["seq"]) is int and key["seq"] >= 0, "a place is none")
            self.records.append((key["seq"], strict_base64(key["envelope"]), strict_base64(key["body"])))
            self.proofs[key["seq"]] = [hash_of(it) for it in key["proof"]]
        want([seq for seq, _, _ in self.records] == sorted(self.proofs), "the records are not in order")

    def check(self, size: int, trust: Trust) -> None:
        """Raises the first problem: the branch is none of the trusted log, or has another root at `size`."""
        verification = Verification(Path(), trust)
        checkpoint = verification.checkpoint_of(self.note)
        verification.check_proven(checkpoint, iter(self.records), self.proofs.__getitem__)
        held = is_extended(self.root, size, checkpoint.root, checkpoint.size, self.proof)
        hold(held, "proof.invalid", None, f"its root at {size} is not the beginning of the checkpoint")
        if self.records:
            verification.check_seal(checkpoint, [], 0)
        else:
            signed = checkpoint.signers([trust.log_key])
            hold(signed, "checkpoint.signature", None, "the trusted key itself has not signed it")


def is_extended(old_root: bytes, old: int, new_root: bytes, new: int, proof: list[bytes]) -> bool:
    if old == 0:
        return not proof and old_root == sha256() and (new > 0 or new_root == sha256())
    try:
        return roots_by_consistency(old_root, old, new, proof) == (old_root, new_root)
    except ValueError:
        return False


def verify(path: Path, trust: Trust) -> dict[str, Any]:
    fork, problems = None, []
    try:
        try:
            proof = json.loads(path.read_bytes())
            want(proof.keys() == {"format", "origin", "size", "branches"}, "its members are others")
            want(proof["format"] == 1 and type(proof["origin"]) is str, "another format")
            size, branches = proof["size"], [Branch(it) for it in proof["branches"]]
            want(type(size) is int and size >= 0 and len(branches) == 2, "not two histories at one size")
        except (OSError, *UNUSABLE) as error:
            raise Problem("fork.malformed", None, str(error)) from error
        hold(proof["origin"] == trust.origin, "checkpoint.origin", None, f"it is of {proof['origin']}")
        for branch in branches:
            branch.check(size, trust)
        roots = [it.root.hex() for it in branches]
        hold(roots[0] != roots[1], "fork.none", None, f"both have the same root at {size}")
        fork = {"size": size, "roots": roots}
    except Problem as problem:
        problems = [dict(zip(("code", "seq", "detail"), problem.args))]
    return {"ok": not problems, "fork": fork, "problems": problems}


if __name__ == "__main__":
    sys.exit(answer(verify, "Verifies a proof that a ledger was forked."))
