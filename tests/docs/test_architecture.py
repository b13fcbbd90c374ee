"""ARCHITECTURE.md names every part of the tree, and what it promises of the parts holds."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from docs.documents import blocks, document, tracked
from docs.rust_source import code, shipped
from harness.places import ROOT

TEXT = document("ARCHITECTURE.md")
(DRAWN,) = blocks(TEXT.partition("\n## Map\n")[2], "text")
MAP = [line.split()[0] for line in DRAWN.splitlines() if line]


def test_everything_on_the_map_is_there() -> None:
    assert len(MAP) > 80
    assert [path for path in MAP if not (ROOT / path).exists()] == []
    assert [path for path in MAP if path.endswith("/") != (ROOT / path).is_dir()] == []
    assert len(MAP) == len(set(MAP))


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_everything_named_in_the_text_is_there(name: str) -> None:
    named = re.findall(r"`((?:src|tests|bindings|python|xtask|include)/[\w./-]*)`", document(name))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_file_is_on_the_map() -> None:
    folders = tuple(path for path in MAP if path.endswith("/"))
    files = {path for path in MAP if not path.endswith("/")}
    assert [path for path in tracked() if path not in files and not path.startswith(folders)] == []
    # A folder's line covers its files; where files of it have lines of their own, all of them must.
    assert [path for path in files if path.startswith(folders)] == []


FOUNDATION = {"error", "secret", "ids", "cloud", "audience", "chance", "clock", "fork", "purpose", "schedule", "hosts"}
MAY_IMPORT = {
    **dict.fromkeys(FOUNDATION, FOUNDATION),
    "remedy": FOUNDATION | {"remedy"},
    "protocol": FOUNDATION | {"remedy", "protocol"},
    "partner_center": FOUNDATION | {"remedy", "protocol", "partner_center"},
    "graph": FOUNDATION | {"protocol", "partner_center", "graph"},
    "explain": FOUNDATION | {"remedy", "protocol"},
    "moving_in": FOUNDATION | {"moving_in"},
    "transport": FOUNDATION | {"transport"},
    "vault": FOUNDATION | {"remedy", "protocol", "transport", "vault"},
    "store": FOUNDATION | {"store", "vault"},
    "audit": FOUNDATION | {"store", "audit"},
    "app": FOUNDATION
    | {"remedy", "protocol", "partner_center", "graph", "moving_in", "transport", "store", "vault", "audit", "app"},
    "blocking": FOUNDATION | {"app", "secret"},
}
EXCEPTION = ("src/protocol/mfa.rs", "use crate::store::{Mfa, MfaEvidence};")


def layer(path: str) -> str:
    return PurePosixPath(path).parts[1].removesuffix(".rs")


def test_imports_point_down() -> None:
    sources = {path: source for path, source in shipped("src/").items() if path != "src/lib.rs"}
    assert {layer(path) for path in sources} == set(MAY_IMPORT), "a new module needs a place among the layers"
    wrong = []
    for path, source in sources.items():
        text = source.replace(EXCEPTION[1], "") if path == EXCEPTION[0] else source
        wrong += [
            f"{path}: crate::{name}"
            for name in re.findall(r"\bcrate::(\w+)", code(text))
            if name not in MAY_IMPORT[layer(path)]
        ]
    assert wrong == []
    assert EXCEPTION[1] in sources[EXCEPTION[0]], "the exception is not needed any more: take it out of ARCHITECTURE.md"


IMPURE = r"\b(tokio|reqwest|tracing|fs_err|std::(fs|env|net|thread|io)|SystemTime|SystemClock|Instant|async|await|sleep|println|eprintln)\b"


def test_pure_modules_are_pure() -> None:
    for path, source in shipped(
        "src/protocol/",
        "src/partner_center/",
        "src/graph/",
        "src/remedy/",
        "src/moving_in/",
        "src/explain.rs",
        "src/schedule.rs",
    ).items():
        found = re.search(IMPURE, code(source))
        assert found is None, f"{path}: {found and found[0]}"


PLACES = {
    r"oauth2": ("src/protocol/oauth.rs",),
    r"reqwest": ("src/transport/http_client.rs",),
    r"keyring_core|zbus_secret_service_keyring_store|windows_native_keyring_store|apple_native_keyring_store": (
        "src/store/key/keyring.rs",
    ),
    r"rusqlite": ("src/store/sqlite.rs", "src/store/sqlite/"),
    r"azure_core|azure_identity|azure_security_keyvault_secrets": ("src/vault/azure/",),
    r"tokio_postgres": ("src/store/postgres.rs", "src/store/postgres/"),
}


@pytest.mark.parametrize("crates", PLACES)
def test_a_dependency_has_one_place_and_no_public_signature(crates: str) -> None:
    users = {
        path: code(source) for path, source in shipped("src/").items() if re.search(rf"\b({crates})::", code(source))
    }
    assert users
    assert [path for path in users if not path.startswith(PLACES[crates])] == []
    public = re.compile(
        rf"^\s*pub (?:async )?(?:fn|struct|enum|type|trait|use|const|static)\b[^{{;]*\b({crates})::", re.MULTILINE
    )
    assert [path for path, source in users.items() if public.search(source)] == []


def test_unsafe_code_is_in_the_c_library_only() -> None:
    unsafe = re.compile(r"\bunsafe\s*(\{|\(|fn\b|impl\b|extern\b|trait\b)")
    everywhere = {
        path
        for path, source in shipped("src/", "bindings/", "python/", "xtask/", "tests/").items()
        if unsafe.search(code(source))
    }
    assert [path for path in everywhere if not path.startswith("bindings/c/")] == []
    assert "#![forbid(unsafe_code)]" in document("src/lib.rs")


def test_every_exposure_of_a_secret_says_why() -> None:
    silent, exposures = [], 0
    for path, source in shipped("src/", "bindings/", "python/").items():
        lines = source.splitlines()
        for number, line in enumerate(lines):
            if not re.search(r"\.expose\(\)", re.sub(r"//.*", "", line)):
                continue
            exposures += 1
            if "Sealer::new(" in line:
                continue
            start = number
            while lines[start].lstrip().startswith((".", ")")):  # the statement that this line goes on with
                start -= 1
            if not any("EXPOSE:" in each for each in lines[max(0, start - 3) : number + 1]):
                silent.append(f"{path}:{number + 1}: {line.strip()}")
    assert exposures > 20
    assert silent == []
