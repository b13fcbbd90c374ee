"""The table of errors as `src/error.rs` has it, and how the command line and Python show each kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docs.documents import document

TEXT = r'"((?:[^"\\]|\\.)*)"'
ROW = re.compile(rf"^ *(\d{{4}}) (\w+) (\w+) (\w+) (\w+) {TEXT}\s+{TEXT} {TEXT};$", re.MULTILINE)
RETRY = {"Never": "never", "After": "after", "UserAction": "user action"}


@dataclass(frozen=True)
class Kind:
    number: int
    id: str
    category: str
    retry: str
    actor: str
    """As text for people has it."""
    anchor: str
    exit_code: int
    exception: str


def kinds() -> list[Kind]:
    """Every kind, in the table's order."""
    source = document("src/error.rs")
    table = re.search(r"^error_kinds! \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert table, "src/error.rs has no table error_kinds! any more"
    rows = ROW.findall(table[1])
    assert len(rows) == table[1].count(";\n") > 40, "not every row of error_kinds! was understood"
    words, exceptions, exit_code = actors_in_words(source), exception_classes(), ExitCodes()
    return [
        Kind(
            int(number),
            id_,
            category,
            RETRY[retry],
            words[actor],
            anchor,
            exit_code(id_, category, retry),
            exceptions[category],
        )
        for number, id_, category, retry, actor, anchor, _, _ in rows
    ]


def actors_in_words(source: str) -> dict[str, str]:
    body = re.search(r"fn in_words\(self\).*?\n    \}", source, re.DOTALL)
    assert body, "Actor::in_words is gone"
    return dict(re.findall(rf"Self::(\w+) => {TEXT}", body[0]))


def exception_classes() -> dict[str, str]:
    """Category to exception class, from the package's own table."""
    found = re.findall(rf"^    {TEXT}: (\w+Error),$", document("python/partnersam/exceptions.py"), re.MULTILINE)
    return {"".join(word.capitalize() for word in category.split("_")): name for category, name in found}


class ExitCodes:
    """Reads the match of `exit::of` from top to bottom, as the compiler does."""

    CODE = re.compile(r"^pub\(crate\) const (\w+): i32 = (\d+);", re.MULTILINE)
    BY_KIND = re.compile(r"(?<!== )(Kind::\w+(?: \| Kind::\w+)*) => (\w+),")
    BY_FAMILY = re.compile(r"\(([^()]+), (Retry::\w+|_)\)(?: if kind == Kind::(\w+))? => (\w+),")
    OTHERWISE = re.compile(r" _ => (\w+),")

    def __init__(self) -> None:
        source = document("bindings/cli/src/exit.rs")
        body = re.search(r"^pub\(crate\) fn of\(.*?^\}", source, re.MULTILINE | re.DOTALL)
        assert body, "exit::of is gone"
        # On one line, however it was formatted; an arm in braces is one without.
        text = re.sub(r"\s+", " ", re.sub(r"//.*", "", body[0]))
        text = re.sub(r"=> \{ (\w+) \},?", r"=> \1,", text)
        by_kind, by_family, otherwise = (each.findall(text) for each in (self.BY_KIND, self.BY_FAMILY, self.OTHERWISE))
        # `kind => match` is the one arrow that is no arm of a code.
        read = len(by_kind) + len(by_family) + len(otherwise)
        assert (len(otherwise), read) == (1, text.count("=>") - 1), "not every arm of exit::of was understood"
        self.codes = {name: int(code) for name, code in self.CODE.findall(source)}
        self.by_kind = {kind: code for arm, code in by_kind for kind in re.findall(r"Kind::(\w+)", arm)}
        self.by_family = [
            (re.findall(r"Category::(\w+)", families), retry.removeprefix("Retry::"), only, code)
            for families, retry, only, code in by_family
        ]
        self.otherwise = otherwise[0]

    def __call__(self, id_: str, category: str, retry: str) -> int:
        if id_ in self.by_kind:
            return self.codes[self.by_kind[id_]]
        for families, wanted, only, code in self.by_family:
            if category in families and wanted in ("_", retry) and only in ("", id_):
                return self.codes[code]
        return self.codes[self.otherwise]


def codes(table: str) -> dict[str, str]:
    """A service's code to the id of the kind it is shown as; `table` is the name of the table in `src/remedy/rows.rs`."""
    found = re.search(rf"^table! \{{ {table} \w+\n(.*?)^\}}", document("src/remedy/rows.rs"), re.MULTILINE | re.DOTALL)
    assert found, f"src/remedy/rows.rs has no table {table} any more"
    rows = re.findall(rf"^    {TEXT} (\w+) \w+$", found[1], re.MULTILINE)
    assert len(rows) == found[1].count(";\n"), f"not every row of {table} was understood"
    return dict(rows)
