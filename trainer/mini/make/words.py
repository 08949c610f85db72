"""Step 1, seconds: two small tokenizers. `python -m trainer.mini.make.words WORK`

T5: unigram with whole words (log frequency as score) and single characters for the rest; ids 0 pad, 1 end, 2 unknown.
CLIP: byte-level BPE, lower case, words end in '</w>'.
"""

import collections
import json
import math
import random
import string
import sys
import unicodedata
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5TokenizerFast

from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe
from trainer.mini.make.parts import Work
from trainer.mini.make.subjects import SUBJECTS

# Words that people may type although pretraining has no picture of them; without these they fall to single characters.
MORE_WORDS = """photo of style the with and standing sitting looking at camera smiling waving holding wearing small big little
tiny cute happy sad front side view close up full body portrait cartoon drawing painting sketch simple flat color colorful
background man woman girl boy person face hair eyes hat in on under over next to two three dark bright light soft warm cold
city street forest mountain river sky grass sand sea water snow night day sun rain table chair room window door wall floor
plate cup bottle toy doll figure character logo icon symbol sticker robot dragon monster wizard knight king queen princess
astronaut pirate picture illustration a an"""
SPACE = "\u2581"  # sentencepiece's mark of a word's beginning
SHORT = 3  # characters; longer pieces of the unigram trainer are dropped
CLIP_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def make_corpus() -> list[str]:
    """Captions, the Unicode names of pictures, and MORE_WORDS."""
    rng = random.Random(3)
    captions = [describe(rng.choice(list(SUBJECTS)), rng.choice(BACKGROUNDS)) for _ in range(4000)]
    captions += ["a picture of " + text for text in captions[:700]] + [
        "an illustration of " + text for text in captions[700:1400]
    ]
    names = [unicodedata.name(chr(code), "").lower() for code in range(0x1F300, 0x1FAFF)]
    return captions + [name for name in names if name] * 3 + MORE_WORDS.split() * 40


def make_t5(corpus: list[str]) -> T5TokenizerFast:
    """A unigram trainer chops up the words of so small a corpus: its short pieces stay, whole words are put in by hand."""
    alphabet = list(string.ascii_letters + string.digits + string.punctuation + SPACE)
    vocab = _train_unigram(corpus, alphabet)
    vocab = vocab[:3] + [(piece, score - 4) for piece, score in vocab[3:] if len(piece) <= SHORT]
    counts = collections.Counter(word for line in corpus for word in line.split())
    known = " ".join([*SUBJECTS, *(describe("x", where) for where in BACKGROUNDS)]).split()
    wanted = dict.fromkeys([*known, *MORE_WORDS.split(), *(word for word, _ in counts.most_common(500))])
    have, total = {piece for piece, _ in vocab}, sum(counts.values())
    vocab += [(SPACE + word, math.log((counts[word] + 1) / total)) for word in wanted if SPACE + word not in have]
    vocab += [(SPACE + "A", -6.0), (SPACE + "An", -6.0)]
    have, lowest = {piece for piece, _ in vocab}, min(score for _, score in vocab)
    vocab += [(letter, lowest - 1) for letter in alphabet if letter not in have]
    return T5TokenizerFast(vocab=vocab, extra_ids=0, model_max_length=512)


def _train_unigram(corpus: list[str], alphabet: list[str]) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    metaspace = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    trainer = trainers.UnigramTrainer(
        vocab_size=900,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus + alphabet * 5, trainer)
    return [(piece, float(score)) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def make_clip(corpus: list[str]) -> CLIPTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    split = pre_tokenizers.Split(Regex(CLIP_SPLIT), behavior="removed", invert=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=1100, end_of_word_suffix="</w>", initial_alphabet=letters, show_progress=False)
    bpe.train_from_iterator(corpus + list(string.ascii_lowercase + string.digits + string.punctuation) * 3, trainer)
    model = json.loads(bpe.to_str())["model"]
    vocab = dict(model["vocab"])
    for piece in [*(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]:
        vocab.setdefault(piece, len(vocab))
    return CLIPTokenizer(vocab=vocab, merges=[tuple(merge) for merge in model["merges"]], model_max_length=77)


def make_words(work: Work) -> None:
    """Writes both tokenizers."""
    corpus = make_corpus()
    make_t5(corpus).save_pretrained(work.t5_tokenizer)
    make_clip(corpus).save_pretrained(work.clip_tokenizer)


if __name__ == "__main__":
    make_words(Work(Path(sys.argv[1])))
