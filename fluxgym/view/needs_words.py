"""What a training will need of memory, disk and time, in words."""

from dataclasses import dataclass

from fluxgym.preflight.cluster import find_least
from fluxgym.preflight.disk import Need
from fluxgym.preflight.estimate import CPU, Estimate, Question, find_room
from fluxgym.preflight.expected import Expected
from fluxgym.view import words

FAR = 1e13  # FLOPs of a step: minutes on a CPU
ROWS = ("Memory", "Disk", "Time of its steps")


@dataclass(frozen=True)
class Needs:
    """What was counted so far."""

    question: Question
    estimate: Estimate | None
    trouble: str  # why there can be no estimate
    disk: Need
    expected: Expected | None
    is_job: bool = False  # on a cluster: neither memory nor speed of this machine count


def tell_rows(needs: Needs) -> dict[str, str]:
    """'15.9 GiB of 23.5 GiB', '1.2 GiB', 'about 52 m'; an estimate that is still being made says so."""
    estimate, need, expected = needs.estimate, needs.disk, needs.expected
    if estimate is None:
        memory = words.UNKNOWN if needs.trouble else "being estimated"
    elif estimate.chosen is None:
        least = find_least(estimate) if needs.is_job else None
        memory = f"a GPU of {least} GB" if least else words.UNKNOWN
    else:
        room = None if needs.is_job else find_room(needs.question, estimate.chosen)
        memory = words.size(estimate.chosen.bytes) + (f" of {words.size(room)}" if room is not None else "")
    time = f"about {words.duration(expected.seconds)}" if expected else words.UNKNOWN
    download = f" + {words.size(need.download)} to download" if need.download else ""
    return dict(zip(ROWS, (memory, words.size(need.outputs) + download, time), strict=True))


def tell_more(needs: Needs) -> list[str]:
    """What is behind the numbers, and what stands against them."""
    estimate, need, expected, told = needs.estimate, needs.disk, needs.expected, []
    if needs.trouble:
        told.append(f"How much memory it needs is not known: {needs.trouble}")
    if estimate and estimate.chosen:
        way, room = estimate.chosen, None if needs.is_job else find_room(needs.question, estimate.chosen)
        fits = room is None or way.bytes <= room
        told.append(f"In memory: {way.words}." if fits else f"Memory may run out: {way.words} is the smallest way there is.")
    if needs.question.device == CPU and estimate and estimate.step_flops > FAR:
        where = "Its job asks for no GPU" if needs.is_job else "There is no GPU on this machine"
        told.append(f"{where}: this model would take months on a CPU. flux-mini learns on one.")
    if need.missing:
        told.append(f"The disk is {words.size(need.missing)} short: {words.size(need.free)} are free.")
    if expected:
        rate = words.rate(expected.step_seconds)
        told.append(f"By the speed of {expected.run}: {rate}. Loading, samples and saving come on top.")
    elif estimate and not needs.is_job:
        told.append("How long it takes is known once this base model was trained here.")
    return told
