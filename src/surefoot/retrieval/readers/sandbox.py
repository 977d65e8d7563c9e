"""Parsers of binary formats run in a process of their own: little memory, little time, no secrets, no files to write."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from surefoot.core.errors import InvalidInput, MissingDependency, UnreadableDocument
from surefoot.core.strict_json import parse_json
from surefoot.retrieval.readers.raw import ReadLimits

MAX_OUTPUT_BYTES = 64_000_000
MAX_OUTPUT_VALUES = 2_000_000

_WORKER = Path(__file__).with_name("worker.py")
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "SYSTEMROOT")


def run_worker(kind: str, body: bytes, limits: ReadLimits) -> dict[str, Any]:
    """What the worker made of the bytes, as JSON values. `kind` is `pdf`, `docx` or `html`.

    The process gets the document on its standard input and nothing else: no arguments but the limits, no environment, no
    terminal. Raises UnreadableDocument with one line when the document is refused, or when reading it takes more memory,
    CPU seconds or output than allowed, or crashes the parser.
    """
    arguments = (kind, limits.memory_mb, limits.cpu_seconds, limits.max_pages, limits.max_bytes, MAX_OUTPUT_BYTES)
    command = [sys.executable, "-I", "-B", str(_WORKER), *map(str, arguments)]
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as answer:
        document.write(body)
        document.seek(0)
        process = subprocess.Popen(  # noqa: S603 - The command is this interpreter, our own file and numbers.
            command,
            stdin=document,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=2 * limits.cpu_seconds + 10)
        except subprocess.TimeoutExpired:
            status = -signal.SIGXCPU
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        answer.seek(0)
        output = answer.read(MAX_OUTPUT_BYTES + 1)
    return _understood(status, output, limits)


def _understood(status: int, output: bytes, limits: ReadLimits) -> dict[str, Any]:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        raise UnreadableDocument(f"reading it takes more than {limits.cpu_seconds} CPU seconds (reader_seconds).")
    if status == -signal.SIGXFSZ or len(output) > MAX_OUTPUT_BYTES:
        raise UnreadableDocument(f"it holds more than {MAX_OUTPUT_BYTES} bytes of text.")
    try:
        answer = parse_json(output, max_values=MAX_OUTPUT_VALUES)
    except InvalidInput:
        answer = None
    if not isinstance(answer, dict):
        raise UnreadableDocument(
            f"the parser gave up; the file is damaged or needs more than {limits.memory_mb} MB (reader_memory_mb)."
        )
    if answer.get("missing"):
        raise MissingDependency(f"The package {answer['missing']!r} is not installed; run `pip install {answer['missing']}`.")
    if answer.get("refused"):
        raise UnreadableDocument(str(answer["refused"])[:500])
    return answer
