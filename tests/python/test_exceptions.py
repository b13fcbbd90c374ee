"""Exceptions lose no field of the core's error, in any kind of it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import partnersam
from partnersam import PartnerSamError, _native
from partnersam.exceptions import from_document

GOLDEN = Path(__file__).resolve().parents[1] / "scenarios" / "errors.golden.json"
CLASSES = {
    "caller": partnersam.CallerError,
    "identity": partnersam.IdentityError,
    "partner_center": partnersam.PartnerCenterError,
    "transport": partnersam.TransportError,
    "store": partnersam.StoreError,
    "internal": partnersam.InternalError,
}
TABLE = [(json.loads(text), error) for text, error in _native._error_table()]


def test_the_table_is_the_golden_file() -> None:
    """Numbers, ids and what they mean are frozen. Where a kind was added on purpose: write the file anew from `golden()`."""
    assert json.loads(GOLDEN.read_text()) == golden()


def golden() -> dict[str, Any]:
    frozen = ("number", "id", "category", "retry", "actor", "help")
    bare, filled = TABLE[0::2], TABLE[1::2]
    return {
        "schema_version": 1,
        "kinds": [{name: document[name] for name in frozen} for document, _ in bare],
        # Every field of one error, as every language must hand it over.
        "example": next(document for document, _ in filled if document["id"] == "RateLimited"),
    }


@pytest.mark.parametrize(
    ("document", "error"), TABLE, ids=[f"{each['id']}-{i % 2}" for i, (each, _) in enumerate(TABLE)]
)
def test_every_kind_carries_every_field(document: dict[str, Any], error: PartnerSamError) -> None:
    assert isinstance(error, CLASSES[document["category"]])
    assert {name: getattr(error, name) for name in document} == document
    assert error.to_dict() == document
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), from_document(document)):  # noqa: S301
        assert again.to_dict() == document
        assert isinstance(again, CLASSES[document["category"]])
    assert error.args == (document["message"],)
    for part in (
        document["message"],
        document["id"],
        str(document["number"]),
        document["hint"],
        *document["context"].values(),
    ):
        assert part in str(error)
    assert document["id"] in repr(error)


def test_the_document_names_every_field_that_the_class_declares() -> None:
    assert set(PartnerSamError.__annotations__) == set(TABLE[0][0])


def test_a_bare_error_has_nothing_where_nothing_is_known() -> None:
    error = TABLE[0][1]
    assert (error.retry_after, error.http_status, error.claims, error.suberror) == (None, None, None, None)
    assert (error.entra_codes, error.context, error.causes) == ([], {}, [])


def test_changing_what_was_handed_out_changes_no_error() -> None:
    error = TABLE[0][1]
    error.to_dict()["message"] = "another"
    assert error.to_dict()["message"] == error.message != "another"


AZURE = """
import pickle, sys
from partnersam import IdentityError, _native
before = [error for _, error in _native._error_table() if error.category == "identity"][0]
assert type(before) is IdentityError
assert not any(name.startswith("azure") for name in sys.modules)
from azure.core.exceptions import AzureError, ClientAuthenticationError
table = [error for _, error in _native._error_table()]
assert all(isinstance(error, ClientAuthenticationError) == (error.category == "identity") for error in table)
identity = [error for error in table if error.category == "identity"]
assert len({type(error) for error in identity}) == 1
for error in identity:
    assert isinstance(error, IdentityError) and error.status_code == error.http_status
    assert error.response is None and error.inner_exception is None
    assert type(error).__name__ == "IdentityError" and type(error).__module__ == "partnersam.exceptions"
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ClientAuthenticationError) and again.to_dict() == error.to_dict()
try:
    raise identity[0]
except ClientAuthenticationError as error:
    assert error.message == identity[0].message
print("ok")
"""


def test_identity_errors_are_azures_where_azure_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", AZURE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
