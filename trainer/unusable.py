"""What a person gave that cannot be used: one error for all that is wrong with it. Imports no torch."""

from collections.abc import Sequence


class Unusable(ValueError):
    """Its text is what it is about and one line for each of `problems`: what was got, what was expected, the choices."""

    def __init__(self, what: str, problems: Sequence[str]):
        super().__init__(f"{what}:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = list(problems)
