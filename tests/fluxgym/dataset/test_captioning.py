"""Captions by a model as a job, with a tiny model that writes them in a process of its own."""

import pytest

from fluxgym.dataset import captioning
from fluxgym.dataset.captioning import (
    ON_CPU,
    Count,
    Order,
    count_captions,
    find_captioning,
    find_device,
    last_order,
    read_order,
    start_captioning,
)
from fluxgym.job.begin import JobIsActive
from fluxgym.job.folder import DONE, FAILED
from fluxgym.run import places
from fluxgym.run.gpu import Gpu
from tests.trainer.captioners import make_blip, make_images
from trainer.mini import DATASET

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def place(tmp_path):
    return make_images(tmp_path / "datasets/cats")


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    return str(make_blip(tmp_path_factory.mktemp("blip") / "--help"))  # a name that might pass for an option


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n): so many GPUs on this machine."""

    def put(count):
        there = [Gpu(number, f"GPU-{number}") for number in range(count)]
        monkeypatch.setattr(places, "list_gpus", lambda: there)
        monkeypatch.setattr(places, "has_device", lambda: bool(there))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return put


def test_it_is_done_in_a_process_of_its_own_and_found_again(place, blip, wait_until):
    order = Order(model=blip, prompt="a red", trigger="--sks", device=ON_CPU)
    assert find_captioning(place) is None and last_order() == Order()
    assert count_captions(place) == Count(2, 0, 1)
    start_captioning(place, order)
    with pytest.raises(JobIsActive, match="Captions of cats, on the CPU is under way already"):
        start_captioning(place, order)
    wait_until(lambda: not find_captioning(place).is_active, 60)
    status = find_captioning(place)
    assert (status.state, status.said.result) == (DONE, {"told": "2 of 2 captions written"}), status.message
    assert (place / "a.txt").read_text().startswith("--sks, a red ") and (place / "b.txt").read_text() == "mine"
    assert count_captions(place) == Count(0, 2, 1)
    assert read_order(status.about.details) == last_order() == order


def test_why_it_failed_is_its_last_word(place, wait_until):
    start_captioning(place, Order(model="/nowhere", device=ON_CPU))
    wait_until(lambda: not find_captioning(place).is_active, 60)
    status = find_captioning(place)
    assert status.state == FAILED
    assert status.message.startswith("/nowhere cannot write captions: there is no such folder; expected one, or a name")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (Order(model=" "), "got no model"),
        (Order(device="tpu"), "got the device 'tpu', expected auto or cpu"),
        (Order(detail="much"), "got the detail 'much', expected short, detailed, long"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(place, order, told):
    with pytest.raises(ValueError, match=told):
        start_captioning(place, order)
    assert find_captioning(place) is None


def test_what_came_with_fluxgym_is_only_looked_at():
    with pytest.raises(ValueError, match="only looked at"):
        start_captioning(DATASET, Order())


def test_an_order_of_another_version_is_as_usual_where_it_says_nothing():
    assert read_order({"model": "a/b", "again": "yes", "colour": 1}) == Order(model="a/b")


def test_a_gpu_on_which_nobody_trains_is_taken_and_no_other(gpus, monkeypatch):
    assert find_device(ON_CPU).variables == {"CUDA_VISIBLE_DEVICES": ""}
    gpus(0)
    assert (find_device("auto").is_gpu, find_device("auto").words) == (False, "There is no GPU here: on the CPU.")
    gpus(2)
    assert (find_device("auto").name, find_device("auto").variables["CUDA_VISIBLE_DEVICES"]) == ("GPU 0", "GPU-0")
    assert not find_device(ON_CPU).is_gpu
    held = {"GPU-0"}
    monkeypatch.setattr(places.Place, "is_free", property(lambda place: place.uuid not in held))
    monkeypatch.setattr(places.Place, "holder", property(lambda place: "my-lora"))
    assert find_device("auto").name == "GPU 1"
    held.add("GPU-1")
    assert (find_device("auto").is_gpu, find_device("auto").words) == (False, "On the CPU, as my-lora trains on the GPU.")


def test_a_driver_that_is_silent_is_left_alone(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(places, "has_device", lambda: True)
    device = captioning.find_device("auto")
    assert not device.is_gpu and "does not answer" in device.words
