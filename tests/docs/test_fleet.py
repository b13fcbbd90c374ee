"""What README tells a database's administrator to type is what the store's tests type."""

from __future__ import annotations

from docs.documents import document


def test_readme_makes_the_roles_that_the_tests_make() -> None:
    roles = document("src/store/postgres/roles.sql")
    assert roles.strip()
    assert f"```sql\n{roles}```" in document("README.md")
