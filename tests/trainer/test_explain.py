"""One sentence for each thing that is wrong: where, what was got, what was expected."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.explain import explain


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    side: int = Field(512, ge=64, le=2048, multiple_of=16)
    shift: Annotated[float, Field(gt=0, le=20)] | Literal["auto"] = "auto"
    words: list[str] = Field(default_factory=list, max_length=2)
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1)
    inner: Inner = Field(default_factory=Inner)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "name: missing, expected text in quotes, not empty"),
        ({"name": 3}, "name: got 3, expected text in quotes, not empty"),
        ({"name": "x", "inner": 3}, "inner: got 3, expected a section [inner]"),
        ({"inner": {"side": 65}}, "inner.side: got 65, expected a whole number from 64 up to 2048, a multiple of 16"),
        ({"inner": {"shift": 0}}, "inner.shift: got 0, expected a number above 0 and up to 20 or 'auto'"),
        ({"inner": {"words": ["x", 2]}}, "inner.words.1: got 2, expected a list of texts of at most 2"),
        ({"inner": {"kind": "c" * 200}}, f"inner.kind: got '{'c' * 79}..., expected 'a' or 'b'"),
        ({"inner": {"sides": 1}}, "inner.sides: unknown setting; did you mean side? The choices are: side, shift, words, kind"),
    ],
)
def test_a_sentence(values, sentence):
    with pytest.raises(ValidationError) as error:
        Outer.model_validate({"name": "x", **values} if values else {})
    assert sentence in {explain(dict(problem), Outer) for problem in error.value.errors()}
