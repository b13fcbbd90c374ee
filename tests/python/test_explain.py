"""`partnersam.explain`: what every language says of a code, and that an error's hint says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from python.partner import open_app

import partnersam
from harness.emulator import Emulator
from partnersam import PartnerSamError

GOLDEN = json.loads(
    (Path(__file__).resolve().parents[1] / "scenarios" / "explain.golden.json").read_text(encoding="utf-8")
)


def test_every_code_is_explained_as_in_every_language() -> None:
    assert len(GOLDEN["cases"]) > 250
    for case in GOLDEN["cases"]:
        found = [each.to_dict() for each in partnersam.explain(case["text"])]
        assert found == case["document"]["explanations"], case["text"]


def test_every_field_is_an_attribute() -> None:
    for text in ("65001", "53003", "900421", "SecretNotFound", "ConsentRequired", "AADSTS1234567"):
        for explanation in partnersam.explain(text):
            document = explanation.to_dict()
            there = document.pop("in_customer_tenant")
            assert document.pop("class") == explanation.class_
            assert {name: getattr(explanation, name) for name in document} == document
            if there is None:
                assert explanation.in_customer_tenant is None
            else:
                step = explanation.in_customer_tenant
                assert step is not None
                assert {name: getattr(step, name) for name in there} == there
            assert document["hint"] in str(explanation)
            assert document["code"] in repr(explanation)


def test_what_is_no_text_is_a_type_error() -> None:
    wrong: Any = 50076
    with pytest.raises(TypeError):
        partnersam.explain(wrong)


def test_an_error_explains_itself(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app, pytest.raises(PartnerSamError) as caught:
        app.token("fabrikam.com", "graph")
    error = caught.value
    assert (
        error.hint
        == "the owner of the partner's service account: run `partnersam consent fabrikam.com` and sign in with MFA"
    )
    assert [each.code for each in partnersam.explain(str(error))] == ["ConsentRequired"]
    assert [each.code for each in partnersam.explain(json.dumps(error.to_dict()))] == ["ConsentRequired"]
