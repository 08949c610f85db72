"""Tiny models that write captions, of the real classes, with a dozen words. The Florence-2 has learned its colours."""

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()
COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}
WORDS = ["The", "image", "shows", "a", *COLOURS, "square", "robot", "what", "is", "user"]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<image>", "<video>"]
CHAT = (
    "{% for message in messages %}<s> {{ message.role }} {% for part in message.content %}"
    "{% if part.type == 'image' %}<image> {% else %}{{ part.text }}{% endif %}{% endfor %} </s> {% endfor %}<s> robot "
)
PLAIN_CHAT = (
    "{% for message in messages %}<s> {{ message.role }} <image> {{ message['content'] | trim + ' </s> ' }}{% endfor %}"
    "<s> robot "
)
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}


def paint(colour: str, size: tuple[int, int] = (40, 48)) -> Image.Image:
    return Image.new("RGB", size, COLOURS[colour])


def make_tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate([*SPECIAL, *WORDS])}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    more = {"image_token": "<image>", "video_token": "<video>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=more,
    )


def make_florence(folder: Path) -> Path:
    """It says 'The image shows a red square' of what is red."""
    from transformers import CLIPImageProcessorPil, Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    tokenizer, side = make_tokenizer(), {"height": 32, "width": 32}
    text = {"model_type": "bart", "vocab_size": len(tokenizer), "d_model": 32, "max_position_embeddings": 128, "dropout": 0.0}
    for part in ("encoder", "decoder"):
        text |= {f"{part}_layers": 1, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 64}
    text |= {**ENDS, "decoder_start_token_id": 2, "forced_bos_token_id": 1, "forced_eos_token_id": 2}
    vision = {"depths": (1, 1), "embed_dim": (16, 32), "num_heads": (2, 2), "num_groups": (2, 2), "window_size": 4}
    vision |= {"patch_size": (7, 3), "patch_stride": (4, 2), "patch_padding": (3, 1), "patch_prenorm": (False, True)}
    vision |= {"projection_dim": 32, "drop_path_rate": 0.0, "max_position_embeddings": 16, "max_temporal_embeddings": 4}
    config = Florence2Config(text_config=text, vision_config=vision, image_token_id=4, is_encoder_decoder=True, **ENDS)
    torch.manual_seed(0)
    model = Florence2ForConditionalGeneration(config)
    images = CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False)
    images.image_seq_length = 17
    processor = Florence2Processor(images, tokenizer)
    _teach(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _teach(model: Any, processor: Any) -> None:
    asked = processor(
        images=[paint(colour) for colour in COLOURS], text=["<DETAILED_CAPTION>"] * 3, return_tensors="pt", padding=True
    )
    said = [f"<s> The image shows a {colour} square </s>" for colour in COLOURS]
    labels = processor.tokenizer(said, return_tensors="pt", padding=True).input_ids
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    loss = torch.tensor(1.0)
    for _ in range(300):
        if loss < 0.05:
            break
        loss = model(**asked, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05, "it has not learned its colours"


def make_qwen(folder: Path) -> Path:
    """Qwen2.5-VL, which takes videos, too."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil

    tokenizer = make_tokenizer()
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    text = {**SMALL, **ENDS, "vocab_size": len(tokenizer), "num_hidden_layers": 1, "num_key_value_heads": 1}
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32, "patch_size": 4}
    vision |= {"spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 16, "fullatt_block_indexes": [0]}
    config = Qwen2_5_VLConfig(
        text_config={**text, "rope_parameters": rope, "max_position_embeddings": 512},
        vision_config=vision,
        image_token_id=4,
        video_token_id=5,
    )
    torch.manual_seed(0)
    _save(Qwen2_5_VLForConditionalGeneration(config), folder)
    Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, min_pixels=64, max_pixels=1024).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT)
    return folder


def make_llava(folder: Path, template: str = PLAIN_CHAT) -> Path:
    """LLaVA with a template that takes plain text alone, as JoyCaption has it."""
    from transformers import CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer, side = make_tokenizer(), {"height": 16, "width": 16}
    text = {"model_type": "llama", **SMALL, **ENDS, "vocab_size": len(tokenizer), "num_hidden_layers": 1}
    vision = {"model_type": "clip_vision_model", **SMALL, "num_hidden_layers": 2, "image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, image_seq_length=4)
    _save(LlavaForConditionalGeneration(config), folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)
    return folder


def make_blip(folder: Path) -> Path:
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil, BlipProcessor

    folder.mkdir(parents=True, exist_ok=True)
    words = folder / "vocab.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str.lower, WORDS)]))
    text = {**SMALL, "vocab_size": 5 + len(WORDS), "num_hidden_layers": 1, "encoder_hidden_size": 32, "projection_dim": 32}
    text |= {"max_position_embeddings": 64, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    vision = {**SMALL, "num_hidden_layers": 1, "image_size": 16, "patch_size": 8, "projection_dim": 32}
    torch.manual_seed(0)
    _save(BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=32)), folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 16, "width": 16}), BertTokenizerFast(vocab=str(words))).save_pretrained(
        folder
    )
    return folder


def _save(model: Any, folder: Path) -> None:
    """Random weights may end a text at once; this one says three words at least."""
    model.generation_config.min_new_tokens = 3
    model.save_pretrained(folder)


def spoil_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def make_images(folder: Path) -> Path:
    """A data set of three images, of which b.png has a caption of a person's."""
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (64, 64), "red").save(folder / name)
    (folder / "b.txt").write_text("mine")
    return folder
