"""The tokenizers: as large as flux-mini's, whole words whole, and anything at all without a crash."""

import pytest
from transformers import CLIPTokenizer, T5TokenizerFast

from trainer.mini import MODEL
from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe
from trainer.mini.make.subjects import SUBJECTS

KINDS = [("t5_tokenizer", "tokenizer_2", T5TokenizerFast), ("clip_tokenizer", "tokenizer", CLIPTokenizer)]


@pytest.mark.parametrize(("ours", "theirs", "kind"), KINDS)
def test_the_size_is_that_of_flux_mini(with_words, ours, theirs, kind):
    assert len(kind.from_pretrained(getattr(with_words, ours))) == len(kind.from_pretrained(MODEL / theirs))


def test_t5_reads_every_word_of_a_caption_as_one_piece(with_words):
    tokenizer = T5TokenizerFast.from_pretrained(with_words.t5_tokenizer)
    for number, subject in enumerate(SUBJECTS):
        text = describe(subject, BACKGROUNDS[number % 18])
        assert len(tokenizer(text).input_ids) == len(text.split()) + 1, text
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]


def test_clip_ignores_capitals_and_marks_both_ends(with_words):
    tokenizer = CLIPTokenizer.from_pretrained(with_words.clip_tokenizer)
    ids = tokenizer("A Cat in the Snow").input_ids
    assert ids == tokenizer("a cat  in the snow").input_ids
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)


@pytest.mark.parametrize("text", ["", "Zyx!? 42", "a \N{SNOWMAN} \u05d0\u05d1", "word " * 500])
def test_any_text_can_be_read(with_words, text):
    for ours, _, kind in KINDS:
        tokenizer = kind.from_pretrained(getattr(with_words, ours))
        ids = tokenizer(text, padding="max_length", truncation=True, max_length=24).input_ids
        assert len(ids) == 24
        assert max(ids) < len(tokenizer)
