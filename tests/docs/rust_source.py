"""Rust files as a reader of the program sees them: without comments, without tests."""

from __future__ import annotations

import re
from functools import cache

from docs.documents import document, tracked

TEST_MODULE = re.compile(
    r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))? )?mod (\w+)\s*(;|\{)"
)


@cache
def shipped(*roots: str) -> dict[str, str]:
    """Source of every Rust file below these folders that is not only for tests, its inline test modules cut off."""
    sources = {path: document(path) for path in tracked() if path.endswith(".rs") and path.startswith(roots)}
    for path, source in list(sources.items()):
        for match in TEST_MODULE.finditer(source):
            if match[2] == ";":
                folder = path.removesuffix("/mod.rs").removesuffix(".rs")
                sources.pop(f"{folder}/{match[1]}.rs", None)
    assert sources, roots
    return {path: without_inline_tests(source) for path, source in sources.items()}


def without_inline_tests(source: str) -> str:
    """Test modules stand at the end of their file here."""
    for match in TEST_MODULE.finditer(source):
        if match[2] == "{":
            return source[: match.start()]
    return source


def code(source: str) -> str:
    """The source without comments, and without texts: what they mention is not used."""
    return re.sub(r"//[^\n]*", "", re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', source))
