"""TROUBLESHOOTING.md has a section for each kind of error, and says of it what the table says."""

from __future__ import annotations

import re

import pytest

from docs.documents import anchors, document
from docs.error_table import Kind, codes, kinds

TEXT = document("TROUBLESHOOTING.md")
KINDS = kinds()
# A section is its heading, the line of facts, and what follows up to the next heading.
SECTIONS = {
    match[1]: match[2] for match in re.finditer(r"^### ([a-z-]+)\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
}


def test_every_kind_has_an_anchor_and_every_section_a_kind_in_the_order_of_the_numbers() -> None:
    assert list(SECTIONS) == [kind.anchor for kind in KINDS]
    found = anchors(TEXT)
    assert [anchor for anchor in found if anchor in SECTIONS] == list(SECTIONS)
    assert len(found) == len(set(found)), "a heading is there twice, so that its anchor has a number behind it"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_a_section_says_what_the_table_says(kind: Kind) -> None:
    section = SECTIONS[kind.anchor]
    facts = f"**{kind.number} {kind.id}** · retry: {kind.retry} · exit code {kind.exit_code} · `{kind.exception}`"
    assert section.strip().startswith(facts + "\n")
    assert f"- **Who must act**: {kind.actor}.\n" in section
    assert "\n- **What to do**: " in section
    assert "\n- **What partnersam did**: " in section


def test_each_block_names_its_exception_class() -> None:
    for block in re.split(r"^## ", TEXT, flags=re.MULTILINE):
        if found := re.match(r"(\d)xxx: ", block):
            classes = {kind.exception for kind in KINDS if kind.number // 1000 == int(found[1])}
            assert [f"Python class: `{name}`" in block for name in classes] == [True], found[0]


def test_the_aadsts_numbers_lead_where_the_code_leads() -> None:
    known, by_id = codes("NUMBERS"), {kind.id: kind.anchor for kind in KINDS}
    rows = re.findall(r"^\| ([\d, ]+) \|.*\| \[([a-z-]+)\]\(#([a-z-]+)\) \|$", TEXT, re.MULTILINE)
    assert len(rows) > 30
    for numbers, shown, anchor in rows:
        assert shown == anchor
        for number in re.findall(r"\d+", numbers):
            assert by_id[known[number]] == anchor, number


def test_partner_center_s_codes_lead_where_the_code_leads() -> None:
    known, by_id = codes("PARTNER_CENTER"), {kind.id: kind.anchor for kind in KINDS}
    told = re.findall(r"(\d[\d, and]*) (?:is|are)\s+\[([a-z-]+)\]\(#", TEXT)
    assert len(told) == 4
    for numbers, anchor in told:
        for number in re.findall(r"\d+", numbers):
            assert by_id[known[number]] == anchor, number
