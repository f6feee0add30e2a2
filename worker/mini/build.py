"""`python -m worker.mini.build`: makes the CPU model's directory, the real FLUX classes in small, with random weights
from a fixed seed. Same files and same `from_pretrained` as FLUX.1-dev.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from worker.prompts import DESIGN_GUIDANCE

MODEL_PATH = Path(__file__).parent / "model"
SEED = 20_26
CLIP_LENGTH, T5_LENGTH = 77, 64
WORDS = (
    DESIGN_GUIDANCE,
    "a red fox head geometric green leaf in a white circle orange flame dark blue ring star heart shield bird fish tree",
    "abcdefghijklmnopqrstuvwxyz 0123456789 .,;:!?'\"()-",
)


def clip_tokenizer() -> CLIPTokenizer:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))  # noqa: S106 - a token, no secret
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS * 20, trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    return CLIPTokenizer(
        vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]], model_max_length=CLIP_LENGTH
    )


def t5_tokenizer() -> T5TokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=500,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",  # noqa: S106 - as above
        initial_alphabet=[chr(code) for code in range(33, 127)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS * 20, trainer)
    vocab = [tuple(item) for item in json.loads(tokenizer.to_str())["model"]["vocab"]]
    return T5TokenizerFast(vocab=vocab, extra_ids=0, model_max_length=T5_LENGTH)


def build() -> FluxPipeline:
    torch.manual_seed(SEED)
    clip_tokens, t5_tokens = clip_tokenizer(), t5_tokenizer()
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip_tokens),
            hidden_size=64,
            intermediate_size=128,
            projection_dim=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=CLIP_LENGTH,
            bos_token_id=clip_tokens.bos_token_id,
            eos_token_id=clip_tokens.eos_token_id,
            pad_token_id=clip_tokens.pad_token_id,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokens),
            d_model=128,
            d_kv=32,
            num_heads=4,
            d_ff=256,
            num_layers=2,
            feed_forward_proj="gated-gelu",
        )
    )
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=128,
        pooled_projection_dim=64,
        guidance_embeds=True,
        axes_dims_rope=(8, 12, 12),
    )
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        sample_size=256,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 32, 32),
        norm_num_groups=8,
        layers_per_block=1,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=vae,
        text_encoder=clip,
        tokenizer=clip_tokens,
        text_encoder_2=t5,
        tokenizer_2=t5_tokens,
        transformer=transformer,
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = build()
    pipeline.to(torch.float16).save_pretrained(MODEL_PATH, safe_serialization=True)
    parameters = sum(
        p.numel()
        for part in ("transformer", "vae", "text_encoder", "text_encoder_2")
        for p in getattr(pipeline, part).parameters()
    )
    logging.info("%s: %.1f M parameters", MODEL_PATH, parameters / 1e6)


if __name__ == "__main__":
    main()
