"""What is wrong with settings, in words: what was got, what was expected, the choices. Imports no torch."""

import difflib
import types
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

LIMITS = {  # in the order in which they read well
    "min_length": ", not empty",
    "max_length": " of at most {}",
    "ge": " from {}",
    "gt": " above {} and",
    "le": " up to {}",
    "multiple_of": ", a multiple of {}",
}


def explain(problem: dict[str, Any], root: type[BaseModel]) -> str:
    """'train.epochs: got 'ten', expected a whole number from 1 to 10000' from one pydantic error about a model of settings."""
    section, field, where = _find(problem["loc"], root)
    place = ".".join(where)
    if problem["type"] == "extra_forbidden":
        choices = list(section.model_fields)
        near = difflib.get_close_matches(where[-1], choices, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{place}: unknown setting; {hint}The choices are: {', '.join(choices)}"
    expected = expect(field.annotation, field.metadata) if field else f"a section [{place}]"
    if problem["type"] == "missing":
        return f"{place}: missing, expected {expected}"
    if problem["type"] == "value_error":
        return f"{place}: {str(problem['msg']).removeprefix('Value error, ')}"
    shown = repr(problem["input"])
    return f"{place}: got {shown if len(shown) <= 80 else shown[:80] + '...'}, expected {expected}"


def _find(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[type[BaseModel], FieldInfo | None, list[str]]:
    """The section and the setting that a pydantic location is about, and its name without pydantic's own marks."""
    section = root
    where: list[str] = []
    for number, part in enumerate(loc):
        where.append(str(part))
        field = section.model_fields.get(str(part))
        if field is None or not is_section(field.annotation):
            place = [str(index) for index in loc[number + 1 :] if isinstance(index, int)]  # in a list; the rest marks unions
            return section, field, where + place
        section = cast(type[BaseModel], field.annotation)
    return section, None, where


def is_section(annotation: Any) -> bool:
    """Whether a field is not a setting, but holds some."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def expect(annotation: Any, limits: list[Any]) -> str:
    """'a whole number from 1 to 256' from a type and its limits."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return expect(inner[0], inner[1].metadata)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in inner)
    if origin in (types.UnionType, Union):
        return " or ".join(expect(choice, limits) for choice in inner if choice is not type(None))
    words = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
    if origin is list and inner[0] is not str:
        return "a list of such"
    kind = "a list of texts" if origin is list else words[annotation]
    got = {name: getattr(limit, name) for limit in limits for name in LIMITS if hasattr(limit, name)}
    return "".join([kind, *(LIMITS[name].format(got[name]) for name in LIMITS if name in got)])
