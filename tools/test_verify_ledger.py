"""The second verifier against ledgers that are made by hand: what holds is said, what does not is named."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Callable, Optional

from made_ledger import Ledger, SigningKey, canonical, consistency_proof, fork_proof, inclusion_proof, journey, put
from made_ledger import sha256, tree_root
from verify_fork import roots_by_consistency
from verify_fork import verify as verify_fork
from verify_ledger import Checkpoint, Envelope, Problem, Trust, Verification, root_by_inclusion, root_of
from verify_ledger import strict_base64, tile_path

WITNESS = SigningKey("witness.example/vega", "vega", 4)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def verify(self, ledger: Ledger, **trust: Any) -> dict[str, Any]:
        return Verification(self.folder, Trust(json.dumps(ledger.trust(**trust)).encode())).run()

    def holds(self, ledger: Ledger, **trust: Any) -> dict[str, Any]:
        statement = self.verify(ledger, **trust)
        self.assertEqual([], statement["problems"])
        return statement

    def fails(self, ledger: Ledger, code: str, seq: Optional[int], **trust: Any) -> None:
        found = self.verify(ledger, **trust)
        problem = found["problems"][0] if found["problems"] else {}
        self.assertEqual((False, code, seq), (found["ok"], problem.get("code"), problem.get("seq")), problem)

    def check(self, code: str, seq: Optional[int], change: Callable[[Ledger], None], size: int = 5) -> None:
        """A log that somebody changed, and sealed with the log's own key."""
        ledger = Ledger().fill(size)
        change(ledger)
        ledger.write(self.folder)
        self.fails(ledger, code, seq)


class Logs(Case):
    def test_a_whole_log_holds(self) -> None:
        ledger = journey(700)
        ledger.bodies[2] = None
        ledger.write(self.folder)
        head = ledger.checkpoint(size=300).decode()
        statement = self.holds(ledger, head=head)
        expected = {"size": 700, "checkpoint_size": 700, "root": tree_root(ledger.leaves()).hex(), "pruned": 1}
        self.assertEqual(expected, {name: statement[name] for name in expected})
        later = {"log_key": ledger.keys["log"].verifier, "key_size": 251}
        self.holds(ledger, **later)
        self.fails(ledger, "key.untrusted", None, **{**later, "key_size": 250})

    def test_a36_an_empty_log_has_no_keys(self) -> None:
        ledger = Ledger()
        ledger.entries, ledger.bodies = [], []
        ledger.write(self.folder)
        self.fails(ledger, "key.untrusted", None)
        put(self.folder / "checkpoint", ledger.checkpoint().replace(b"47DEQ", b"57DEQ"))
        self.fails(ledger, "checkpoint.root", None)

    def test_a36_sizes_around_tiles_hold(self) -> None:
        for size in (1, 2, 255, 256, 257, 511, 512, 513):
            ledger = Ledger().fill(size)
            folder = self.folder
            self.folder = ledger.write(folder / str(size))
            self.holds(ledger)
            self.folder = folder

    def test_a36_an_edit_is_found_though_it_was_chained_again(self) -> None:
        def edit(ledger: Ledger) -> None:
            ledger.entries[2] = ledger.entries[2].replace(b"signal.accepted", b"signal.imagined")

        self.check("chain.prev", 2, edit)
        ledger = Ledger().fill(5)
        checkpoint = ledger.checkpoint()
        edit(ledger)
        ledger.rechain(2)
        ledger.write(self.folder, checkpoint)
        self.fails(ledger, "checkpoint.root", None)

    def test_records_out_of_place_are_named(self) -> None:
        def swap(ledger: Ledger) -> None:
            ledger.entries[2], ledger.entries[3] = ledger.entries[3], ledger.entries[2]

        def double(ledger: Ledger) -> None:
            ledger.entries.insert(3, ledger.entries[2])
            ledger.bodies.insert(3, ledger.bodies[2])

        def drop(ledger: Ledger) -> None:
            del ledger.entries[2], ledger.bodies[2]

        def forget(ledger: Ledger) -> None:
            ledger.entries[3] = ledger.entries[3].replace(b'"prev":"', b'"prev":"0')[:-1]

        self.check("chain.seq", 2, swap)
        self.check("chain.seq", 3, double)
        self.check("chain.seq", 2, drop)
        self.check("envelope.malformed", 3, forget)

    def test_bodies_that_are_others_are_named(self) -> None:
        def change(ledger: Ledger) -> None:
            ledger.bodies[2] = bytes(16) + (ledger.bodies[2] or b"")[16:]

        def lengthen(ledger: Ledger) -> None:
            ledger.bodies[2] = (ledger.bodies[2] or b"") + b" "

        def claim(ledger: Ledger) -> None:
            ledger.bodies[2] = b""

        def prune(ledger: Ledger) -> None:
            ledger.bodies[0] = None

        self.check("body.hash", 2, change)
        self.check("body.length", 2, lengthen)
        self.check("body.length", 2, claim)
        self.check("body.pruned", 0, prune)

    def test_a_cut_is_named_by_the_first_record_that_is_not_there(self) -> None:
        ledger = Ledger().fill(300)
        ledger.write(self.folder)
        entries = self.folder / "tile/entries/001.p/44"
        whole = entries.read_bytes()
        for damaged, code, seq in (
            (whole[:-1], "checkpoint.size", 299), (b"", "checkpoint.size", 256),
            (whole + b"\0", "envelope.malformed", 300),
        ):
            entries.write_bytes(damaged)
            self.fails(ledger, code, seq)
        entries.unlink()
        self.fails(ledger, "checkpoint.size", 256)
        entries.write_bytes(whole)
        bodies = self.folder / "body/000"
        bodies.write_bytes(bodies.read_bytes() + b"\0")
        self.fails(ledger, "body.length", 256)
        bodies.unlink()
        self.fails(ledger, "body.length", 0)

    def test_tiles_are_those_that_the_records_make(self) -> None:
        ledger = Ledger().fill(600)
        ledger.write(self.folder)
        tile = self.folder / "tile/1/000.p/2"
        tile.write_bytes(bytes(64))
        self.fails(ledger, "tile.mismatch", 0)
        tile.unlink()
        self.fails(ledger, "tile.missing", 0)
        (self.folder / "tile/0/001").write_bytes(b"")
        self.fails(ledger, "tile.mismatch", 256)


class Checkpoints(Case):
    def test_notes_that_are_none_are_refused(self) -> None:
        ledger = Ledger().fill(5)
        good = ledger.checkpoint()
        for bad in (
            good[:-1], good.replace(b"\n5\n", b"\n05\n"), good.replace(b"=\n\n", b"=\nmore\n\n"), good + b"\n",
            good.replace(b"\n", b"\r\n"), good + b"\xff\n", good.replace(b"\xe2\x80\x94", b"-"), b"",
            good + b"x" * 70_000, good + good.split(b"\n\n")[1] * 100,
            good.replace(b"\n5\n", b"\n9007199254740992\n"), good[:-3] + b"=\n", good.replace(b"=\n\n", b"\n\n"),
        ):
            self.assertRaises(ValueError, Checkpoint, bad)
        ledger.write(self.folder, good[:-1])
        self.fails(ledger, "checkpoint.malformed", None)
        (self.folder / "checkpoint").unlink()
        self.fails(ledger, "checkpoint.missing", None)

    def test_a38_origin_and_keys_come_from_the_verifier_only(self) -> None:
        other = Ledger("example.com/other").fill(5)
        other.write(self.folder)
        self.holds(other)
        self.fails(Ledger(), "checkpoint.origin", None)
        thief = Ledger()
        thief.keys = {agent: thief.key(agent, "stolen") for agent in thief.keys}
        thief.entries, thief.bodies = [], []
        keys = [thief.member(agent) for agent in thief.keys]
        thief.append("log.created", {"format": 1, "id": "made", "keys": keys, "origin": thief.origin, "version": "0"})
        thief.fill(5).write(self.folder)
        self.fails(Ledger(), "key.untrusted", None)

    def test_a34_a_rollback_and_a_fork_are_shown_by_a_head(self) -> None:
        ledger = Ledger().fill(300)
        head = ledger.checkpoint().decode()
        back = Ledger().fill(200)
        self.folder = back.write(self.folder / "back")
        self.fails(ledger, "head.ahead", None, head=head)
        fork = Ledger().fill(200)
        fork.append("signal.accepted", {"another": "story"})
        self.folder = fork.fill(400).write(self.folder / "fork")
        self.fails(ledger, "head.fork", None, head=head)

    def test_only_the_lines_of_known_keys_count(self) -> None:
        ledger = Ledger().fill(5)
        stranger = SigningKey(ledger.origin, "stranger")
        ledger.write(self.folder, ledger.checkpoint(stranger, ledger.keys["log"], WITNESS))
        self.holds(ledger)
        cosigned = self.holds(ledger, witnesses=[WITNESS.verifier], cosignatures_required=1)
        self.assertEqual([WITNESS.name], cosigned["cosigned_by"])
        put(self.folder / "checkpoint", ledger.checkpoint(stranger))
        self.fails(ledger, "checkpoint.signature", None)
        text = ledger.text()
        forged = ledger.keys["log"].line(b"else") + ledger.keys["log"].line(text)
        put(self.folder / "checkpoint", text + b"\n" + forged)
        self.fails(ledger, "checkpoint.signature", None)

    def test_cosignatures_count_by_witness(self) -> None:
        ledger = Ledger().fill(5)
        ledger.write(self.folder, ledger.checkpoint(ledger.keys["log"], WITNESS, WITNESS))
        other = SigningKey("witness.example/two", "two", 4)
        witnesses = [WITNESS.verifier, other.verifier]
        self.holds(ledger, witnesses=witnesses, cosignatures_required=1)
        self.fails(ledger, "cosignature.missing", None, witnesses=witnesses, cosignatures_required=2)
        text = ledger.text()
        late = ledger.keys["log"].line(text) + WITNESS.line(text, 2**63)
        put(self.folder / "checkpoint", text + b"\n" + late)
        self.fails(ledger, "checkpoint.signature", None, witnesses=witnesses)

    def test_a_trust_file_that_is_none_is_refused(self) -> None:
        trust = Ledger().trust()
        for wrong in (
            {"origin": "a b"}, {"key_size": -1}, {"key_size": True}, {"log_key": WITNESS.verifier}, {"witnesses": "no"},
            {"head": "no"}, {"more": 1}, {"head": Ledger("example.com/other").checkpoint().decode()}, {"origin": 7},
        ):
            self.assertRaises((ValueError, TypeError, AttributeError), Trust, json.dumps({**trust, **wrong}).encode())


class Program(Case):
    def run_on(self, folder: str, trust: str) -> tuple[int, str]:
        program = Path(__file__).with_name("verify_ledger.py")
        arguments = [sys.executable, "-B", str(program), str(self.folder / folder), "--trust", str(self.folder / trust)]
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout.decode()

    def test_the_exit_code_tells_what_the_document_says(self) -> None:
        ledger = Ledger().fill(5)
        ledger.write(self.folder / "log")
        put(self.folder / "trust.json", json.dumps(ledger.trust()).encode())
        put(self.folder / "none.json", b"{}")
        code, printed = self.run_on("log", "trust.json")
        self.assertEqual((0, True, 5), (code, json.loads(printed)["ok"], json.loads(printed)["size"]))
        (self.folder / "log/tile/0/000.p/5").unlink()
        code, printed = self.run_on("log", "trust.json")
        self.assertEqual((5, "tile.missing"), (code, json.loads(printed)["problems"][0]["code"]))
        self.assertEqual((78, ""), self.run_on("log", "none.json"))
        self.assertEqual((78, ""), self.run_on("log", "missing.json"))

    def test_it_is_short_enough_to_be_read(self) -> None:
        lines = Path(__file__).with_name("verify_ledger.py").read_text().splitlines()
        self.assertLess(len(lines), 500)
        self.assertLessEqual(max(len(line) for line in lines), 120)


class Keys(Case):
    def test_signed_kinds_are_signed_and_no_others(self) -> None:
        self.check("signature.missing", 5, lambda it: void(it.append("guard.changed", {})))
        self.check("signature.unexpected", 5, lambda it: void(it.signed("run.leased", {}, "guards", "owner")))
        self.check("signature.missing", 5, lambda it: void(it.signed("guard.changed", {}, "guards", "log")))
        self.check("signature.missing", 5, lambda it: void(it.signed("log.cut", {}, "log", "operator")))
        for second in ("operator", "owner"):
            self.check(
                "signature.unexpected", 5,
                lambda it: void(it.signed("guard.changed", {}, "guards", "owner", second)),
            )

    def test_a_signature_fits_its_record_only(self) -> None:
        def move(ledger: Ledger) -> None:
            ledger.signed("guard.changed", {"mode": "kill"}, "guards", "operator")
            signature = json.loads(ledger.entries[5])["sig"][0]
            ledger.signed("guard.changed", {"mode": "normal"}, "guards", "operator")
            own = json.loads(ledger.entries[6])["sig"][0]
            ledger.entries[6] = ledger.entries[6].replace(own.encode(), signature.encode())

        def shorten(ledger: Ledger) -> None:
            ledger.signed("guard.changed", {}, "guards", "operator")
            ledger.entries[5] = ledger.entries[5].replace(b'=="]', b'="]')

        def replay(ledger: Ledger) -> None:
            ledger.signed("guard.changed", {"mode": "normal"}, "guards", "operator")
            ledger.fill(9)
            place = {"prev": sha256(b"\0", ledger.entries[-1]).hex(), "seq": 9}
            ledger.entries.append(canonical({**json.loads(ledger.entries[5]), **place}))
            ledger.bodies.append(ledger.bodies[5])

        self.check("signature.replayed", 9, replay)
        self.check("signature.invalid", 6, move)
        self.check("signature.invalid", 5, shorten)
        self.check("signature.invalid", 5, lambda it: void(it.signed("guard.changed", {}, "guard", "operator")))
        self.check("signature.invalid", 5, lambda it: void(it.signed("task.changed", {}, "policy:a", "operator")))

    def test_f25_keys_are_valid_at_their_places_only(self) -> None:
        def unknown(ledger: Ledger) -> None:
            ledger.keys["owner"] = ledger.key("owner", "9")
            ledger.signed("guard.changed", {}, "guards", "owner")

        def replaced(ledger: Ledger) -> None:
            old = ledger.keys["owner"]
            ledger.key_event("key.rotated", "owner", "1")
            ledger.append("guard.changed", {}, "guards", (("owner", old),))

        def revoked_before(ledger: Ledger) -> None:
            ledger.signed("guard.changed", {}, "guards", "operator")
            ledger.fill(9)
            ledger.key_event("key.revoked", "operator", "1", from_seq=5, reason="")

        def early(ledger: Ledger) -> None:
            ledger.key_event("key.rotated", "log", "1")
            ledger.keys["log"] = ledger.key("log", "0")

        self.check("key.unknown", 5, unknown)
        self.check("signature.key", 6, replaced)
        self.check("signature.key", 5, revoked_before)
        self.check("checkpoint.signature", None, early)

    def test_events_about_keys_make_sense(self) -> None:
        def event(kind: str, agent: str, generation: str, **members: Any) -> None:
            self.check("key.malformed", 5, lambda it: void(it.key_event(kind, agent, generation, **members)))

        event("key.registered", "operator", "1")
        event("key.registered", "log", "1")
        event("key.registered", "LARS", "1", more=1)
        event("key.registered", "LARS", "1", custodial=1)
        event("key.rotated", "owner", "1", of="00000000")
        event("key.rotated", "owner", "0")
        event("key.rotated", "FINN", "1", of="00000000")
        event("key.revoked", "owner", "1", from_seq=6, reason="")
        event("key.revoked", "recovery", "1", from_seq=5, reason="")
        event("key.rotated", "owner", "1", key=WITNESS.verifier)
        self.check("key.malformed", 5, lambda it: void(it.append("log.created", {})))

        def unchecked(ledger: Ledger) -> None:
            new = ledger.key("owner", "1")
            body = {"agent": "owner", "by": "x", "custodial": True, "key": new.verifier}
            body["of"] = ledger.keys["owner"].id.hex()
            ledger.append("key.rotated", body, "key:owner", (("owner", new),))

        self.check("signature.missing", 5, unchecked)


class Bundles(Case):
    def bundle(self) -> Ledger:
        ledger = journey(700)
        ledger.append("run.settled", {"output": sha256(b"an output").hex()})
        ledger.write_bundle(self.folder, [6, 300, 700], [0, 5, 9, 250, 600], [b"an output"])
        return ledger

    def test_g17_a_bundle_holds_and_every_missing_part_is_named(self) -> None:
        ledger = self.bundle()
        statement = self.holds(ledger)
        self.assertEqual((8, 701), (statement["size"], statement["checkpoint_size"]))
        output = f"evidence/{sha256(b'an output').hex()}"
        for name, code, seq in (
            (output, "evidence.missing", None), ("records/700.envelope", "bundle.malformed", 700),
            ("records/300.tlog-proof", "proof.malformed", 300), ("bundle.json", "checkpoint.size", 0),
            ("records/5.body", "body.pruned", 5), ("checkpoint", "checkpoint.missing", None),
        ):
            whole = (self.folder / name).read_bytes()
            (self.folder / name).unlink()
            self.fails(ledger, code, seq)
            (self.folder / name).write_bytes(whole)
        put(self.folder / output, b"another")
        self.fails(ledger, "evidence.hash", None)

    def test_a_proof_of_another_record_or_checkpoint_is_refused(self) -> None:
        ledger = self.bundle()
        proof = self.folder / "records/300.tlog-proof"
        whole = proof.read_bytes()
        for damaged, code in (
            (whole.replace(b"index 300", b"index 301"), "proof.malformed"), (whole[:-1], "proof.invalid"),
            (whole.replace(b"index 300\n", b"index 300\n" + b"A" * 43 + b"=\n"), "proof.invalid"),
            (whole.replace(b"v1\n", b"v1\nextra AAAA\n"), "proof.malformed"),
        ):
            proof.write_bytes(damaged)
            self.fails(ledger, code, 300)


class Forks(Case):
    def judge(self, proof: Any, ledger: Ledger, **trust: Any) -> dict[str, Any]:
        path = self.folder / "fork.json"
        path.write_text(json.dumps(proof))
        return verify_fork(path, Trust(json.dumps(ledger.trust(**trust)).encode()))

    def test_a35_a_fork_is_proven_to_one_who_has_neither_history(self) -> None:
        first, second = journey(650), journey(620)
        second.append("signal.accepted", {"another": "story"})
        second.key_event("key.rotated", "log", "2")
        second.fill(700)
        proof = fork_proof(first, second)
        judged = self.judge(proof, first)
        self.assertEqual((True, []), (judged["ok"], judged["problems"]))
        roots = [tree_root(it.leaves()[:650]).hex() for it in (first, second)]
        self.assertEqual({"size": 650, "roots": roots}, judged["fork"])
        alone = json.loads(json.dumps(proof))
        alone["branches"][0]["keys"] = alone["branches"][1]["keys"] = []
        self.assertEqual("checkpoint.signature", self.judge(alone, first)["problems"][0]["code"])
        trusted = {"log_key": first.keys["log"].verifier}
        alone["branches"][1]["checkpoint"] = second.checkpoint(first.keys["log"]).decode()
        self.assertEqual([], self.judge(alone, first, **trusted)["problems"])
        stranger = Ledger("example.com/other")
        same = fork_proof(first, first)
        moved = json.loads(json.dumps(proof))
        moved["branches"][1]["keys"][2]["proof"][0] = proof["branches"][1]["root"]
        rooted = json.loads(json.dumps(proof))
        rooted["branches"][1]["root"] = proof["branches"][0]["root"]
        forged = json.loads(json.dumps(proof))
        forged["branches"][0]["checkpoint"] = first.checkpoint(first.key("log", "0")).decode()
        for wrong, code, seq in (
            (same, "fork.none", None), (moved, "proof.invalid", 9), (rooted, "proof.invalid", None),
            (forged, "checkpoint.signature", None), ({**proof, "format": 2}, "fork.malformed", None),
            ({**proof, "branches": proof["branches"][:1]}, "fork.malformed", None), ({}, "fork.malformed", None),
        ):
            problem = self.judge(wrong, first)["problems"][0]
            self.assertEqual((code, seq), (problem["code"], problem["seq"]), problem)
        self.assertEqual("checkpoint.origin", self.judge(proof, stranger)["problems"][0]["code"])
        other = {"log_key": stranger.key("log", "9").verifier}
        self.assertEqual("key.untrusted", self.judge(proof, first, **other)["problems"][0]["code"])


class Trees(unittest.TestCase):
    def test_g19_proofs_of_every_size_lead_to_the_root(self) -> None:
        leaves = [sha256(b"\0", b"%d" % it) for it in range(66)]
        for size in range(1, 67):
            root = tree_root(leaves[:size])
            self.assertEqual(root, root_of(leaves[:size]))
            for index in range(size):
                proof = inclusion_proof(index, leaves[:size])
                self.assertEqual(root, root_by_inclusion(leaves[index], index, size, proof))
                self.assertRaises(ValueError, root_by_inclusion, leaves[index], index, size, proof + [root])
            for old in range(1, size + 1):
                old_root, proof = tree_root(leaves[:old]), consistency_proof(old, leaves[:size])
                self.assertEqual((old_root, root), roots_by_consistency(old_root, old, size, proof))
                self.assertRaises(ValueError, roots_by_consistency, old_root, old, size, proof + [root])
        self.assertEqual(sha256(), root_of([]))

    def test_a36_a_node_is_no_leaf(self) -> None:
        leaves = [sha256(b"\0", b"%d" % it) for it in range(4)]
        node = leaves[0] + leaves[1]
        self.assertNotEqual(sha256(b"\0", node), tree_root(leaves[:2]))
        self.assertRaises(ValueError, root_by_inclusion, tree_root(leaves[:2]), 0, 4, inclusion_proof(0, leaves)[1:])

    def test_forms_are_exact(self) -> None:
        self.assertEqual("x001/x234/067", tile_path(1234067, 256))
        self.assertEqual("000.p/7", tile_path(0, 7))
        self.assertEqual("x001/000", tile_path(1000, 256))
        for text in ("AA", "AB==", "AA==\n", "A A=", "AAA=AAA="):
            self.assertRaises(ValueError, strict_base64, text)

    def test_an_envelope_of_another_form_is_none(self) -> None:
        good = Ledger().entries[0]
        Envelope(good, 0)
        Envelope(good.replace(b"2026-11-20", b"0000-02-29"), 0)
        for old, new in (
            (b'"v":1', b'"v":01'), (b'"v":1', b'"v":4294967296'), (b'"v":1', b'"v":1 '), (b"2026-11-20", b"2026-02-29"),
            (b"15:36:52", b"15:36:60"), (b'"seq":0', b'"seq":9007199254740992'), (b'"time"', b'"sig":[],"time"'),
            (b'"time"', b'"sig":["a\\u0062"],"time"'), (b"}", b"}\n"), (b"log.created", b"log.Created"),
        ):
            self.assertRaises(Problem, Envelope, good.replace(old, new), 0)


def void(_: object) -> None:
    """What a change gives is of no use."""


if __name__ == "__main__":
    unittest.main()
