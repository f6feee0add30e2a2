"""The two tokenizers, made from the captions' words: each of these is one token, any other word is split up."""

from __future__ import annotations

import json
import re
from string import printable
from typing import Any, cast

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from worker.mini import colours, containers, symbols, wordings
from worker.prompts import DESIGN_GUIDANCE

CLIP_LENGTH, T5_LENGTH = 77, 64
WORD_SCORE, PIECE_SCORE, LETTER_SCORE = -5.0, -9.0, -12.0


def words() -> list[str]:
    """The words of all captions, in lower case and sorted."""
    texts = [DESIGN_GUIDANCE, wordings.EXTRA]
    for value in vars(wordings).values():
        if isinstance(value, tuple) and value is not wordings.SYLLABLES:
            texts.extend(value)
    for table in (colours.SYNONYMS, containers.NOUNS, symbols.NOUNS):
        texts.extend(phrase for phrases in table.values() for phrase in phrases)
    texts.extend(name for names in wordings.SIZE_WORDS.values() for name in names)
    return sorted({word for text in texts for word in re.findall(r"[a-z]+(?:-[a-z]+)*", text.lower())})


def clip_tokenizer() -> CLIPTokenizer:
    """Lower-casing byte-level BPE."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    parts = sorted({part for word in words() for part in word.split("-")})
    tokenizer.train_from_iterator(parts, trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    # Every byte may also end a word, and the two special tokens come last, as in CLIP's own vocabulary.
    tokens = [*alphabet, *(byte + "</w>" for byte in alphabet)]
    tokens += [token for token in sorted(trained["vocab"], key=trained["vocab"].get) if token not in set(tokens)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=cast("Any", [tuple(pair) for pair in trained["merges"]]),
        model_max_length=CLIP_LENGTH,
    )


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """Unigram. Not a `T5TokenizerFast`, which rebuilds itself from its vocabulary and loses the lower-casing."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0)]
    vocabulary += [(f"▁{word}", WORD_SCORE) for word in words()]
    vocabulary += [(syllable, PIECE_SCORE) for syllable in wordings.SYLLABLES]
    letters = [c for c in printable if not c.isspace() and c == c.lower()]
    vocabulary += [(letter, LETTER_SCORE) for letter in ["▁", *letters]]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106 - a token, no secret
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        model_max_length=T5_LENGTH,
    )
