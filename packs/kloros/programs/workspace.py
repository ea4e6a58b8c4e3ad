"""What every program of the pack stands on: its task's contract, and files that are whole.

In: the signal's facts as JSON on standard input, and the environment that the machine sets.
Out: a result as one JSON object in the file that ANTIPHON_RESULT names; progress for people on
standard output, which is evidence and never control.

A verdict is a result and exits 0. What could not be done is a failure: exit 1, and a result with
`error`, which becomes the facts of the failure signal. Nothing is read or written outside the
data root, which is the working directory.
"""

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import sys
import traceback
from datetime import datetime, timezone

RESULT_BYTES_MAX = 16 * 1024
DOCUMENT_BYTES_MAX = 64 * 1024 * 1024


class OutsideTheRoot(Exception):
    """A path that leads out of the data root."""


class Malformed(Exception):
    """A file that does not hold what it should. It is left as it is."""


def root():
    """The data root, real and absolute."""
    return os.path.realpath(os.environ.get("ANTIPHON_ROOT") or os.getcwd())


def run_id():
    """The id of this run; the same for each of its attempts."""
    return os.environ.get("ANTIPHON_RUN_ID") or "no-run"


def beneath(text):
    """The real path of `text` (relative to the root, or absolute); refuses what is not beneath."""
    if not isinstance(text, str) or not text or "\0" in text or ".." in text.split("/"):
        raise OutsideTheRoot(repr(text)[:200])
    path = os.path.realpath(os.path.join(root(), text))
    if not path.startswith(root() + os.sep):
        raise OutsideTheRoot(repr(text)[:200])
    return path


def relative(path):
    """`path`, which is beneath the root, as it is seen from there."""
    return os.path.relpath(path, root())


def now():
    """The time as RFC 3339 in UTC, to the microsecond."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sha256(data):
    """SHA-256 of bytes or text, hexadecimal."""
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def parse(data):
    """One JSON document; refuses NaN and Infinity, which are no JSON."""

    def refuse(name):
        raise ValueError(f"{name} is no JSON number")

    def finite(text):
        number = float(text)
        if number - number != 0.0:
            raise ValueError(f"{text[:20]} is out of range")
        return number

    return json.loads(data, parse_constant=refuse, parse_float=finite)


def read_document(path):
    """The JSON object in `path`, or None when there is no file. Never a fresh start in place of a
    file that cannot be read (defect 48)."""
    try:
        with open(beneath(path), "rb") as file:
            data = file.read(DOCUMENT_BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        document = parse(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise Malformed(f"{path}: not an object")
    return document


def replace(path, data):
    """Makes `data` the content of `path`, whole or not at all, and on disk when this returns."""
    target = beneath(path)
    directory, name = os.path.split(target)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    mark = "".join(c for c in run_id() if c.isalnum() or c == "-")
    temporary = os.path.join(directory, f".{name}.{mark}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, target)
    sync_directory(directory)


def replace_document(path, document):
    """As `replace`, with `document` as JSON."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    replace(path, text.encode() + b"\n")


def sync_directory(directory):
    """Makes the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Journal:
    """A file of JSON lines, locked against other writers: it only grows, and a line is there
    whole or not at all."""

    def __init__(self, path):
        self.path = beneath(path)

    def __enter__(self):
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(self.path, flags, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        sync_directory(os.path.dirname(self.path))
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    def append(self, record):
        """Appends `record`; it is on disk when this returns. A line that was left without its end
        is ended first, so that it cannot swallow this one."""
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = text.encode() + b"\n"
        length = os.fstat(self.descriptor).st_size
        if length and os.pread(self.descriptor, 1, length - 1) != b"\n":
            data = b"\n" + data
        while data:
            data = data[os.write(self.descriptor, data) :]
        os.fsync(self.descriptor)

    def newest(self, needle=None, is_meant=lambda _: True):
        """The newest record that holds `needle` as text and is meant, searched from the end; lines
        that are no JSON are passed over."""
        return newest_in(self.descriptor, needle, is_meant)


def newest_in(descriptor, needle=None, is_meant=lambda _: True):
    """As `Journal.newest`, on an open file."""
    length = os.fstat(descriptor).st_size
    if length == 0:
        return None
    with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ) as view:
        end = length
        wanted = needle.encode() if needle else b"{"
        while True:
            at = view.rfind(wanted, 0, end)
            if at < 0:
                return None
            start = view.rfind(b"\n", 0, at) + 1
            stop = view.find(b"\n", at)
            with contextlib.suppress(ValueError, RecursionError):
                record = parse(view[start : length if stop < 0 else stop])
                if isinstance(record, dict) and is_meant(record):
                    return record
            end = start
            if end == 0:
                return None


def write_result(result):
    """Gives `result` to the machine."""
    data = json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
    if len(data) > RESULT_BYTES_MAX:
        raise ValueError(f"the result has {len(data)} bytes, {RESULT_BYTES_MAX} are allowed")
    path = os.environ.get("ANTIPHON_RESULT")
    if path:
        with open(path, "wb") as file:
            file.write(data)


def progress(text):
    """A line for people."""
    print(text, flush=True)


def main(work, failure_facts):
    """Runs `work(facts)` and gives its result. When it raises, gives `failure_facts(facts)` and the
    error, and exits with 1."""
    facts = {}
    try:
        facts = parse(sys.stdin.buffer.read())
        if not isinstance(facts, dict):
            raise Malformed("the facts are not an object")
        write_result(work(facts))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        traceback.print_exc()
        told = failure_facts(facts if isinstance(facts, dict) else {})
        told["error"] = f"{type(error).__name__}: {error}"[:500]
        told["failed_at"] = now()
        write_result(told)
        sys.exit(1)
