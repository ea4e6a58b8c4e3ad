"""Investigates a question about a Python package by reading its source.

In: `Q_CURIOSITY_INVESTIGATE` (question, question_id, priority, evidence, hypothesis,
capability_key, module_path, previous_evidence_hash). Out: one record at the end of
`curiosity_investigations.jsonl` and the facts of `Q_INVESTIGATION_COMPLETE`.

Nothing is imported or run: the source is parsed. What was found is measured on disk; what the
question claims is only a hint of where to look. A question that cannot be answered is a record with
the status `failed`, not a failure of the task. The same run appends once, however often it is tried.
"""

import ast
import os
import re
import time
from datetime import datetime, timedelta

import workspace

INVESTIGATIONS = "curiosity_investigations.jsonl"
FILES_MAX = 200
DEPTH_MAX = 8
FILE_BYTES_MAX = 1024 * 1024
NAMES_MAX = 200
TEXT_MAX = 300


def investigate(facts):
    """Answers one question."""
    started = time.monotonic()
    mine = workspace.run_id()
    with workspace.Journal(INVESTIGATIONS) as journal:
        record = journal.newest(mine, lambda found: found.get("run_id") == mine)
    if record is None:
        # Without the lock: others investigate at the same time.
        record = examine(facts)
        record["duration_ms"] = int((time.monotonic() - started) * 1000)
        with workspace.Journal(INVESTIGATIONS) as journal:
            record["timestamp"] = timestamp_after(journal)
            journal.append(record)
    workspace.progress(f"{record['module_name'] or 'nothing'}: {record['status']}")
    return {
        "investigation_timestamp": record["timestamp"],
        "module_name": record["module_name"],
        "module_path": record["module_path"],
        "capability_key": record["capability"],
        "question_id": record["question_id"],
        "status": record["status"],
        "error": record["error"],
        "evidence_hash": record["evidence_hash"],
        "duration_ms": record["duration_ms"],
        "model_used": "static_analysis",
        "tokens_used": 0,
        "queue_wait_time_ms": 0,
    }


def failure_facts(facts):
    """The facts of `Q_INVESTIGATION_FAILED`."""
    return {"status": "failed", "question_id": text_of(facts, "question_id")}


def examine(facts):
    """The record of one investigation, without its time."""
    record = {
        "run_id": workspace.run_id(),
        "question": text_of(facts, "question"),
        "question_id": text_of(facts, "question_id"),
        "capability": text_of(facts, "capability_key"),
        "hypothesis": text_of(facts, "hypothesis"),
        "module_name": None,
        "module_path": None,
        "files_analyzed": [],
        "source_sha256": {},
        "structure": {},
        "llm_analysis": {},
        "capabilities": [],
        "integration_points": [],
        "key_abstractions": [],
        "callable_interface": [],
        "evidence": [],
        "evidence_hash": "",
        "investigation_method": "static_analysis",
        "model_used": "static_analysis",
        "tokens_used": 0,
        "success": False,
        "status": "failed",
        "error": None,
    }
    try:
        path = package_of(facts)
    except workspace.OutsideTheRoot:
        record["error"] = "path_outside_the_root"
        return record
    if path is None:
        record["error"] = "no_package_named"
        return record
    record["module_path"] = workspace.relative(path).replace(os.sep, ".")
    record["module_name"] = os.path.basename(path)
    name = record["module_name"].upper()
    record["hypothesis"] = record["hypothesis"] or f"UNDISCOVERED_MODULE_{name}"
    record["capability"] = record["capability"] or f"module.{record['module_name']}"
    if not os.path.isdir(path):
        record["error"] = "directory_not_found"
        return record
    describe(record, path)
    if not record["files_analyzed"]:
        record["error"] = "no_python_files"
    elif record["evidence_hash"] == text_of(facts, "previous_evidence_hash"):
        record["error"] = "same_evidence_as_before"
    else:
        record.update(success=True, status="completed")
    return record


def package_of(facts):
    """The directory that the question is about, or None when it names none. Evidence may hold
    anything (defect 43): texts such as `path:src/audio`, objects, or nonsense that is passed over."""
    given = facts.get("evidence")
    for item in given if isinstance(given, list) else []:
        if isinstance(item, dict):
            item = f"path:{item['path']}" if isinstance(item.get("path"), str) else ""
        if isinstance(item, str) and item.startswith("path:"):
            return workspace.beneath(item[len("path:") :].strip())
    module = text_of(facts, "module_path")
    if module:
        return workspace.beneath(module if "/" in module else module.replace(".", "/"))
    named = re.fullmatch(
        r"(?:discover\.module|reinvestigate)\.(\w+)", text_of(facts, "question_id")
    )
    return workspace.beneath(f"src/{named.group(1)}") if named else None


def describe(record, path):
    """Fills `record` with what stands in the package at `path`."""
    files, newest, hashes = [], 0.0, {}
    for file in python_files(path):
        try:
            status = os.stat(file, follow_symlinks=False)
            with open(file, "rb") as source:
                data = source.read(FILE_BYTES_MAX + 1)
        except OSError as error:
            files.append({"file": workspace.relative(file), "error": str(error.strerror)})
            continue
        newest = max(newest, status.st_mtime)
        hashes[workspace.relative(file)] = workspace.sha256(data)[:16]
        files.append(parse_file(workspace.relative(file), data))
    names = [os.path.basename(file["file"]) for file in files if in_package(file, path)]
    classes = [item for file in files for item in file.get("classes", [])]
    functions = [item for file in files for item in file.get("functions", [])]
    has_docs = any(file.get("doc") for file in files)
    age_days = int(max(0.0, time.time() - newest) // 86400) if files else 0
    record["files_analyzed"] = [file["file"] for file in files]
    record["source_sha256"] = hashes
    record["structure"] = {
        "files": [summary(file) for file in files[:50]],
        "classes": len(classes),
        "functions": len(functions),
        "lines": sum(file.get("lines", 0) for file in files),
    }
    record["capabilities"] = unique(file.get("doc") for file in files)
    record["integration_points"] = unique(name for file in files for name in file.get("imports", []))
    record["key_abstractions"] = unique(item["name"] for item in classes)
    record["callable_interface"] = [
        item for item in functions if not item["name"].split(".")[-1].startswith("_")
    ][:NAMES_MAX]
    lasting = [
        f"path:{workspace.relative(path)}",
        f"has_init:{str('__init__.py' in names).lower()}",
        f"py_files:{len(names)}",
        f"has_docs:{str(has_docs).lower()}",
        f"source:{workspace.sha256(repr(sorted(hashes.items())))[:16]}",
    ]
    record["evidence"] = [*lasting, f"age_days:{age_days}"]
    # What passes with time says nothing about the package, so it is left out of the hash.
    record["evidence_hash"] = workspace.sha256("|".join(sorted(lasting)))[:16]


def python_files(path):
    """The package's own Python files, in order; links are not followed."""
    found = []
    for directory, folders, names in os.walk(path, followlinks=False):
        depth = os.path.relpath(directory, path).count(os.sep)
        hidden = ("__pycache__",) if depth < DEPTH_MAX else tuple(folders)
        folders[:] = sorted(f for f in folders if f not in hidden and not f.startswith("."))
        for name in sorted(names):
            file = os.path.join(directory, name)
            is_ours = name.endswith(".py") and not name.startswith(".")
            if is_ours and os.path.isfile(file) and not os.path.islink(file):
                found.append(file)
        if len(found) >= FILES_MAX:
            break
    return found[:FILES_MAX]


def in_package(file, path):
    """Whether a file stands directly in the package."""
    return os.path.dirname(file["file"]) == workspace.relative(path)


def parse_file(name, data):
    """What one file defines; a file that is no Python is said to be none."""
    if len(data) > FILE_BYTES_MAX:
        return {"file": name, "error": "too long"}
    try:
        tree = ast.parse(data, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"file": name, "error": f"{type(error).__name__}"}
    found = {
        "file": name,
        "doc": first_line(ast.get_docstring(tree)),
        "lines": data.count(b"\n"),
        "classes": [],
        "functions": [],
        "imports": [],
    }
    module = "" if name.endswith("__init__.py") else os.path.basename(name)[:-3] + "."
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found["classes"].append({"name": module + node.name, "doc": doc_of(node)})
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found["functions"].append(callable_of(inner, f"{module}{node.name}."))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found["functions"].append(callable_of(node, module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found["imports"] += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found["imports"].append("." * node.level + (node.module or ""))
    return found


def callable_of(node, prefix):
    """A function as a caller sees it."""
    arguments = ast.unparse(node.args)[:TEXT_MAX]
    returns = f" -> {ast.unparse(node.returns)}"[:TEXT_MAX] if node.returns else ""
    return {
        "name": prefix + node.name,
        "signature": f"({arguments}){returns}",
        "doc": doc_of(node),
        "is_async": isinstance(node, ast.AsyncFunctionDef),
    }


def summary(file):
    """A file in the record's structure."""
    count = {key: len(file[key]) for key in ("classes", "functions") if key in file}
    return {**{key: file[key] for key in ("file", "doc", "lines", "error") if key in file}, **count}


def doc_of(node):
    """The first line of a docstring."""
    return first_line(ast.get_docstring(node))


def first_line(text):
    """The first line of `text`, short."""
    return (text or "").strip().split("\n")[0][:TEXT_MAX]


def unique(items):
    """Each once, in order, none empty, not too many."""
    return list(dict.fromkeys(item for item in items if item))[:NAMES_MAX]


def text_of(facts, name):
    """A fact that is a text, short; else the empty text."""
    value = facts.get(name)
    return value[:2000] if isinstance(value, str) else ""


def timestamp_after(journal):
    """The time, later than that of the newest record: a timestamp names one record (defect 45)."""
    at = workspace.now()
    last = journal.newest(None, lambda found: isinstance(found.get("timestamp"), str))
    if last and last["timestamp"] >= at:
        try:
            before = datetime.fromisoformat(last["timestamp"].replace("Z", "+00:00"))
        except ValueError:
            return at
        if before.tzinfo is None:
            return at
        later = before + timedelta(microseconds=1)
        return later.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return at


if __name__ == "__main__":
    workspace.main(investigate, failure_facts)
