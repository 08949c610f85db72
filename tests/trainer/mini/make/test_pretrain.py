"""Pretraining in miniature: it learns, measures the same each time, and keeps its hands off what is held out."""

import random

import torch

from trainer.mini.make.captions import is_held_out
from trainer.mini.make.parts import Parts
from trainer.mini.make.pretrain import Lesson


def test_it_learns(with_pretrained):
    work, losses = with_pretrained
    assert len(losses) == 15
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    fresh, trained = Lesson(work, Parts.new(work)), Lesson(work, Parts.load(work, work.pretrained))
    assert trained.measure(trained.trained) < fresh.measure(fresh.trained)


def test_a_measurement_repeats(with_pretrained):
    work, _ = with_pretrained
    lesson = Lesson(work, Parts.load(work, work.pretrained))
    first = lesson.measure(lesson.held_out)
    torch.randn(100)
    assert lesson.measure(lesson.held_out) == first != lesson.measure(lesson.trained)


def test_held_out_pairs_are_never_trained_on(with_pretrained, monkeypatch):
    work, _ = with_pretrained
    lesson, seen = Lesson(work, Parts.load(work, work.pretrained)), []
    monkeypatch.setattr(lesson, "find_loss", lambda indices, *_: seen.extend(indices))
    rng = random.Random(1)
    for _ in range(30):
        lesson.next_loss(rng)
    assert len(set(seen)) == len(lesson.trained)
    assert not any(is_held_out(*lesson.rows[index]) for index in seen)
    assert len(lesson.trained) + len(lesson.held_out) == len(lesson.rows)
