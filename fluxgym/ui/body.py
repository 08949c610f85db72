"""The body of a request as an object in JSON, read as far as it may be long."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request


class WrongBody(ValueError):
    """A body that is none of those that are taken."""


async def read_object(request: Request, most: int) -> Mapping[str, Any]:
    """Raises WrongBody when it has more than `most` bytes, or is no object."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise WrongBody(f"got more than {most:,} bytes")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WrongBody("got a body that is no JSON") from error
    if not isinstance(said, dict):
        raise WrongBody("got a body that is no object")
    return said
