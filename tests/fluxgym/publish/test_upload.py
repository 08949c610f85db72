"""Publishing to a real server on the loopback, as a job of its own."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from fluxgym.job.folder import DONE, FAILED, read_job
from fluxgym.publish.publishing import Wish, list_published, start_publishing, suggest_samples
from tests.fluxgym.publish.a_run import SECRET
from tests.fluxgym.publish.hub import READS, TOKEN


@pytest.fixture
def publish(folder, hub, wait_until):
    def publish(**changes):
        wish = Wish(**({"lora": "robot.safetensors", "repository": "my-robot"} | changes))
        job = start_publishing(folder, wish)
        wait_until(lambda: not read_job(job).is_active)
        return read_job(job)

    return publish


def test_the_lora_its_card_and_its_samples_are_there_and_private(folder, hub, publish):
    samples = tuple(place for place, _ in suggest_samples(folder, list_published(folder)[0]))
    status = publish(samples=samples)
    assert status.state == DONE, status.message
    assert status.said.result == {"url": f"{hub.url}/somebody/my-robot", "repository": "somebody/my-robot", "is_public": False}
    assert hub.private == {"somebody/my-robot": True}
    held = hub.held["somebody/my-robot"]
    assert set(held) == {".gitattributes", "README.md", "robot.safetensors", "images/sample_00.png", "images/sample_01.png"}
    assert held["robot.safetensors"] == folder.lora.read_bytes()
    card = held["README.md"].decode()
    assert "load_lora_weights('somebody/my-robot', weight_name='robot.safetensors')" in card
    assert "instance_prompt" in card and "images/sample_00.png" in card
    assert SECRET not in card and str(folder.path) not in card
    assert (status.said.done, status.said.total) == (folder.lora.stat().st_size,) * 2


def test_no_token_is_written_anywhere(folder, publish, outputs):
    assert publish().state == DONE
    texts = [path.read_bytes() for path in outputs.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in text for text in texts)


def test_public_only_where_that_was_said(hub, publish):
    assert publish(repository="team/robot", is_public=True).state == DONE
    assert hub.private == {"team/robot": False}


def test_what_is_there_is_not_replaced_unasked(folder, hub, publish):
    hub.held["somebody/my-robot"] = {"README.md": b"mine"}
    status = publish()
    assert status.state == FAILED and "there is a repository somebody/my-robot already" in status.message
    assert hub.held["somebody/my-robot"] == {"README.md": b"mine"}
    assert publish(adds=True).state == DONE
    assert "robot.safetensors" in hub.held["somebody/my-robot"]


@pytest.mark.parametrize(("is_public", "said"), [(True, "this was to be private"), (False, "this was to be public")])
def test_nothing_goes_where_others_look_than_was_said(hub, publish, is_public, said):
    hub.held["somebody/my-robot"], hub.private["somebody/my-robot"] = {".gitattributes": b""}, not is_public
    status = publish(is_public=not is_public, adds=True)
    assert status.state == FAILED and said in status.message
    assert set(hub.held["somebody/my-robot"]) == {".gitattributes"} and hub.sent == []


def test_another_try_sends_only_what_is_not_there(folder, hub, publish):
    hub.held["somebody/my-robot"] = {".gitattributes": b""}  # made by a try that broke off
    hub.large[hashlib.sha256(folder.lora.read_bytes()).hexdigest()] = folder.lora.read_bytes()
    assert publish().state == DONE
    assert hub.sent == []


@pytest.mark.parametrize(
    ("token", "said"), [(READS, "may not write there"), ("hf_nobodysToken12345", "does not know this token")]
)
def test_a_token_that_will_not_do(publish, monkeypatch, token, said):
    monkeypatch.setenv("HF_TOKEN", token)
    status = publish()
    assert status.state == FAILED and said in status.message and token not in status.message


def test_a_hub_in_trouble_and_none_at_all(hub, publish, monkeypatch):
    hub.status = 500
    assert "The Hub answered 500" in publish().message
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "could not be" in publish(repository="somebody/robot").message


def test_names_that_are_published_stay_in_the_card_and_others_do_not(folder, hub, publish, monkeypatch):
    monkeypatch.setenv("USER", "somebody")  # as the account on the Hub
    monkeypatch.setenv("HOSTNAME", "sks-box")
    folder.config.write_text(
        folder.config.read_text().replace("a sks robot | on [a] hill", "a sks robot by somebody on sks-box")
    )
    samples = tuple(place for place, _ in suggest_samples(folder, list_published(folder)[0]))
    assert publish(repository="sks-box", samples=samples).state == DONE
    card = hub.held["somebody/sks-box"]["README.md"].decode()
    assert "load_lora_weights('somebody/sks-box', weight_name='robot.safetensors')" in card
    assert 'instance_prompt: "sks robot"' in card and "a sks robot by [user] on [host]" in card


def test_a_trigger_may_be_the_name_of_a_person_or_of_the_data_set(folder, hub, publish, monkeypatch):
    monkeypatch.setenv("USER", "anna-b")
    folder.config.write_text(folder.config.read_text().replace("sks robot", "anna-b"))
    samples = tuple(place for place, _ in suggest_samples(folder, list_published(folder)[0]))
    assert publish(samples=samples).state == DONE
    card = hub.held["somebody/my-robot"]["README.md"].decode()
    assert 'instance_prompt: "anna-b"' in card and '"a anna-b | on [a] hill"' in card


def test_what_kohya_wrote_of_captions_is_not_sent(folder, hub, publish):
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(4, 4)}, folder.lora, {"ss_tag_frequency": '{"anna at home": 3}'})
    assert publish(is_public=True).state == DONE
    sent = hub.held["somebody/my-robot"]["robot.safetensors"]
    assert b"anna" not in sent and b"lora_unet_x" in sent
