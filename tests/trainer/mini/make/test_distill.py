"""The distillation in miniature: only the transformer changes, and guidance begins to mean something."""

import torch

from trainer.mini.make.distill import STRONGEST, draw_guidance
from trainer.mini.make.parts import Parts, predict


def test_only_the_transformer_changes(with_distilled):
    work, losses = with_distilled
    teacher, student = Parts.load(work, work.pretrained), Parts.load(work, work.distilled)
    assert len(losses) == 3

    def same(one, other):
        return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

    assert same(teacher.clip, student.clip)
    assert same(teacher.t5, student.t5)
    assert not same(teacher.transformer, student.transformer)


@torch.no_grad()
def test_guidance_is_heard(with_distilled):
    work, _ = with_distilled
    parts, img, sigmas = Parts.load(work, work.distilled), torch.randn(1, 36, 64), torch.tensor([0.7])
    text = parts.read(["a toy in space"], 24)
    weak, strong = (predict(parts.transformer, img, sigmas, text, torch.tensor([value])) for value in (1.0, 3.5))
    assert (weak - strong).abs().mean() > 0


def test_guidance_values():
    values = draw_guidance(5000)
    assert values.min() == 1
    assert 4.9 < values.max() <= STRONGEST
    assert 0.17 < (values == 1).float().mean() < 0.23
