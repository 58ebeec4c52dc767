"""Expressions in settings: a wrong one is refused when it is read, a fitting one never raises."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from model.expression import Expression, as_text, scalar, search


class Holder(BaseModel):
    path: Expression


@pytest.mark.parametrize("expression", ["a..b", "a[", "", "a b", "nothing(a)", "a[?nothing(@)]", "'unclosed"])
def test_a_wrong_expression_is_refused_naming_the_field(expression: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Holder(path=expression)
    assert refused.value.errors()[0]["loc"] == ("path",)
    assert "JMESPath" in str(refused.value)


@pytest.mark.parametrize("data", [None, 1, "text", [], {"a": []}, {"a": {"b": None}}])
def test_an_expression_that_does_not_fit_the_data_finds_nothing(data: Any) -> None:
    assert scalar("a.b", data) is None
    assert search("length(a.b)", data) is None


def test_scalars_become_text_as_json_writes_them() -> None:
    assert [as_text(value) for value in (True, False, 0, 1.5, 10**30, "x")] == [
        "true", "false", "0", "1.5", "1" + "0" * 30, "x",
    ]  # fmt: skip
    assert [as_text(value) for value in (None, "", "  ", [], {})] == [None] * 5
