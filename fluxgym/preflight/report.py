"""What a look before the start found."""

from dataclasses import dataclass, field

from trainer.buckets import Size

ERROR, WARNING, FINE = "error", "warning", "fine"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. An error stops a start, a warning does not."""

    level: str
    subject: str  # what it is about: "images", "memory", ...
    what: str
    fix: str = ""  # what to do; empty where nothing is to be done

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.subject}: {self.what}. {self.fix}"


@dataclass(frozen=True)
class Bucketed:
    """How one image is learned."""

    name: str
    size: Size  # px, as a person sees it
    sizes: tuple[Size, ...]  # px, as it is learned, once for each resolution
    cropped: float  # share that is cut off, of the size at which most is
    is_small: bool  # does not reach the resolution


@dataclass(frozen=True)
class Report:
    """All findings, the worst first, and the table of images."""

    findings: list[Finding]
    buckets: list[Bucketed] = field(default_factory=list)
    steps: int | None = None  # in all; None where that cannot be told

    @property
    def errors(self) -> list[Finding]:
        return self._of(ERROR)

    @property
    def warnings(self) -> list[Finding]:
        return self._of(WARNING)

    def _of(self, level: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == level]


def sort_findings(findings: list[Finding]) -> list[Finding]:
    """Errors, warnings, the rest; each in the order in which they were found."""
    return sorted(findings, key=lambda finding: (ERROR, WARNING, FINE).index(finding.level))
