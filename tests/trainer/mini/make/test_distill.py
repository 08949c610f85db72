"""The distillation in miniature: only the transformer changes, and guidance begins to mean something."""

import torch

from trainer.flow import Batch
from trainer.mini.make.distill import STRONGEST, draw_guidance, predict_each
from trainer.mini.make.parts import FLUX, Parts


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
def test_each_image_has_its_own_guidance(with_distilled):
    work, _ = with_distilled
    parts, img, sigmas = Parts.load(work, work.distilled), torch.randn(2, 36, 64), torch.tensor([0.3, 0.7])
    batch = Batch(torch.zeros(2, 16, 12, 12), parts.read(["a toy in space", "a toy"], 24))
    each = predict_each(parts.transformer, img, batch, sigmas, torch.tensor([1.0, 3.5]))
    weak, strong = (FLUX.predict(parts.transformer, img, batch, sigmas, value) for value in (1.0, 3.5))
    assert torch.allclose(each[0], weak[0], atol=1e-5)
    assert torch.allclose(each[1], strong[1], atol=1e-5)
    assert not torch.allclose(weak, strong, atol=1e-5)


def test_guidance_values():
    values = draw_guidance(5000)
    assert values.min() == 1
    assert 4.9 < values.max() <= STRONGEST
    assert 0.17 < (values == 1).float().mean() < 0.23
