"""Markdown as GitHub reads it: headings and their anchors, links, code blocks; and which files the repository has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from harness.places import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Fenced code blocks of this language, in order."""
    return [match[2] for match in FENCE.finditer(text) if match[1] == language]


def prose(text: str) -> str:
    """The document without its code blocks, which hold no headings and no links."""
    return FENCE.sub("", text)


def anchors(text: str) -> list[str]:
    """The anchors that GitHub gives to the headings, in order; a repeated heading gets a number behind it."""
    seen: dict[str, int] = {}
    found = []
    for heading in HEADING.findall(prose(text)):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.append(f"{slug}-{count}" if count else slug)
    return found


def links(text: str) -> list[str]:
    """Targets of the links, those to other sites left out."""
    return [target for target in LINK.findall(prose(text)) if not re.match(r"[a-z]+:", target)]


def tracked() -> list[str]:
    """Every file of the repository, by its path from the root."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if (ROOT / path).exists()]


def markdown() -> list[Path]:
    return [ROOT / path for path in tracked() if path.endswith(".md")]
