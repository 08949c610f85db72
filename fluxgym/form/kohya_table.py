"""Which options of kohya's flux_train_network.py mean what here. As of sd-scripts 48d368f: train_network.py,
library/train_util.py, library/flux_train_utils.py, networks/lora_flux.py.

Their own defaults are given where they are not ours: a script that does not say them means them all the same."""

from typing import Any

NUMBERS: dict[str, tuple[str, type, float | None]] = {  # option: setting, type, their default where it is not ours
    "network_dim": ("lora.rank", int, 4),
    "network_alpha": ("lora.alpha", float, 1),
    "max_grad_norm": ("train.max_grad_norm", float, None),
    "guidance_scale": ("train.guidance", float, 3.5),
    "seed": ("train.seed", int, None),
    "sigmoid_scale": ("train.sigmoid_scale", float, None),
    "lr_scheduler_num_cycles": ("train.cycles", int, 1),
    "t5xxl_max_token_length": ("model.max_sequence_length", int, None),
    "prior_loss_weight": ("data.regularisation_weight", float, None),
    "save_every_n_epochs": ("save.every_epochs", int, 0),
    "sample_every_n_epochs": ("sample.every_epochs", int, 0),
    "sample_every_n_steps": ("sample.every_steps", int, None),
    "keep_tokens": ("data.keep_tags", int, None),
    "caption_dropout_rate": ("data.caption_dropout", float, None),
    "huber_c": ("train.huber_delta", float, None),
}
TEXTS = {
    "pretrained_model_name_or_path": "model.base",
    "clip_l": "model.clip",
    "t5xxl": "model.t5",
    "ae": "model.vae",
    "network_weights": "lora.start_from",
    "train_data_dir": "data.folder",
    "reg_data_dir": "data.regularisation",
}
SWITCHES = {  # option: setting, what it is with it, what it is without it; None: nothing is said then
    "enable_bucket": ("data.buckets", True, False),
    "shuffle_caption": ("data.shuffle_tags", True, None),
    "flip_aug": ("data.flip", True, None),
    "gradient_checkpointing": ("train.gradient_checkpointing", True, None),  # else as memory needs: the numbers stay the same
    "fp8_base": ("model.quantise", "fp8", None),
    "fp8_base_unet": ("model.quantise", "fp8", None),
    "torch_compile": ("speed.compile", True, None),
}
CHOICES: dict[str, tuple[str, dict[str, str], str | None]] = {  # option: setting, theirs and ours, their default if not ours
    "lr_scheduler": (
        "train.schedule",
        {
            "constant": "constant",
            "constant_with_warmup": "constant",
            "linear": "linear",
            "cosine": "cosine",
            "cosine_with_restarts": "cosine_with_restarts",
        },
        None,
    ),
    "loss_type": ("train.loss", {"l2": "l2", "huber": "huber", "smooth_l1": "smooth_l1"}, None),
    "save_precision": ("save.dtype", {"float": "fp32", "fp16": "fp16", "bf16": "bf16"}, "float"),
    "mixed_precision": ("model.dtype", {"bf16": "bf16", "no": "fp32"}, None),
}
OPTIMIZERS: dict[
    str, tuple[str, float, float]
] = {  # theirs in small letters: ours, weight decay and beta2 of theirs as it comes
    "adamw": ("adamw", 0.01, 0.999),
    "adamw8bit": ("adamw8bit", 0.01, 0.999),
    "pagedadamw": ("adamw", 0.01, 0.999),
    "pagedadamw32bit": ("adamw", 0.01, 0.999),
    "pagedadamw8bit": ("adamw8bit", 0.01, 0.999),
    "adafactor": ("adafactor", 0.0, 0.999),
    "prodigy": ("prodigy", 0.0, 0.999),
    "lion": ("lion", 0.0, 0.99),
    "lion8bit": ("lion", 0.01, 0.99),
    "pagedlion8bit": ("lion", 0.01, 0.99),
    "adamwschedulefree": ("schedule_free", 0.0, 0.999),
}
OPTIMIZER_NUMBERS = {"weight_decay": "train.weight_decay", "eps": "train.eps", "beta1": "train.beta1", "beta2": "train.beta2"}
OPTIMIZER_SAME = {  # arguments that say what is so here
    "relative_step": "false",
    "scale_parameter": "false",
    "warmup_init": "false",
    "decouple": "true",
    "use_bias_correction": "false",
    "safeguard_warmup": "false",
    "d_coef": "1",
}
SAME = (  # what is done here without being asked, or makes no difference to what is learned
    *("cache_latents", "cache_latents_to_disk", "cache_text_encoder_outputs"),
    *("cache_text_encoder_outputs_to_disk", "skip_cache_check", "vae_batch_size", "text_encoder_batch_size"),
    *("network_train_unet_only", "sdpa", "xformers", "mem_eff_attn", "highvram", "lowram", "no_half_vae"),
    *("max_data_loader_n_workers", "persistent_data_loader_workers", "disable_mmap_load_safetensors"),
    *("max_token_length", "clip_skip", "output_dir", "sample_at_first", "dynamo_backend", "ddp_timeout"),
    *("ddp_gradient_as_bucket_view", "ddp_static_graph", "use_safetensors", "caption_extension"),
    *("caption_extention", "bucket_no_upscale", "min_bucket_reso", "max_bucket_reso", "training_comment"),
    *("no_metadata", "save_state_on_train_end", "num_cpu_threads_per_process", "num_machines", "dynamo_mode"),
    *("rdzv_backend", "main_process_port", "machine_rank", "same_network", "mode_scale", "model_type"),
    *("debug_dataset", "dataset_class"),
)
ELSEWHERE = {  # why an option is not taken, where more can be said than that there is nothing of the kind
    "blocks_to_swap": "how many blocks wait in the host's memory is chosen here by memory.preset, or memory.swapped_blocks",
    "split_mode": "how many blocks wait in the host's memory is chosen here by memory.preset, or memory.swapped_blocks",
    "cpu_offload_checkpointing": "memory.preset chooses here what makes room",
    "text_encoder_lr": "text encoders are not trained here",
    "network_train_text_encoder_only": "text encoders are not trained here",
    "network_dropout": "lora.dropout leaves out whole ranks, theirs single numbers",
    "apply_t5_attn_mask": "padding is seen by the model here, as FLUX was trained",
    "full_bf16": "the LoRA is always in fp32 here",
    "full_fp16": "the LoRA is always in fp32 here",
    "save_every_n_steps": "LoRA files are written by epoch here: save.every_epochs",
    "save_last_n_epochs": "every LoRA file is kept here",
    "save_last_n_steps": "every LoRA file is kept here",
    "save_last_n_epochs_state": "save.keep_states says how many states are kept",
    "save_last_n_steps_state": "save.keep_states says how many states are kept",
    "resume": "a state of theirs cannot be gone on from; lora.start_from takes their LoRA",
    "validation_split": "data.validation_images says how many images are held out",
    "huggingface_repo_id": "a finished LoRA is published from its run",
    "gpu_ids": "which GPU it gets is chosen with the run, not in its settings",
    "bucket_reso_steps": "sides are multiples of 16 px here",
    "in_json": "expected a metadata.jsonl in the folder of images, or a dataset.toml",
    "dim_from_weights": "lora.rank has to be that of the file or more",
}
NOTHING = "this trainer has nothing of the kind"
UNKNOWN = "no option of flux_train_network.py is called so"
KNOWN = (  # theirs that have no counterpart here
    *("v2", "v_parameterization", "tokenizer_cache_dir", "optimizer_schedulefree_wrapper"),
    *("schedulefree_wrapper_args", "lr_scheduler_type", "lr_scheduler_args", "lr_decay_steps"),
    *("lr_scheduler_power", "lr_scheduler_timescale", "lr_scheduler_min_lr_ratio", "fused_backward_pass"),
    *("huggingface_repo_type", "huggingface_path_in_repo", "huggingface_token", "huggingface_repo_visibility"),
    *("save_state_to_huggingface", "resume_from_huggingface", "async_upload", "save_n_epoch_ratio", "vae"),
    *("logging_dir", "log_with", "log_prefix", "log_tracker_name", "wandb_run_name", "log_tracker_config"),
    *("wandb_api_key", "log_config", "noise_offset", "noise_offset_random_strength", "multires_noise_iterations"),
    *("ip_noise_gamma", "ip_noise_gamma_random_strength", "perlin_noise", "multires_noise_discount"),
    *("adaptive_noise_scale", "zero_terminal_snr", "min_timestep", "max_timestep", "sample_sampler"),
    *("output_config", "cache_info", "caption_separator", "keep_tokens_separator", "secondary_separator"),
    *("enable_wildcard", "caption_prefix", "caption_suffix", "color_aug", "face_crop_aug_range", "random_crop"),
    *("resize_interpolation", "token_warmup_min", "token_warmup_step", "alpha_mask"),
    *("caption_dropout_every_n_epochs", "caption_tag_dropout_rate", "dataset_repeats", "min_snr_gamma"),
    *("scale_v_pred_loss_like_noise_pred", "v_pred_like_loss", "debiased_estimation_loss", "weighted_captions"),
    *("deepspeed", "zero_stage", "offload_optimizer_device", "offload_optimizer_nvme_path"),
    *("offload_param_device", "offload_param_nvme_path", "zero3_init_flag", "zero3_save_16bit_model"),
    *("fp16_master_weights_and_gradients", "metadata_title", "metadata_author", "metadata_description"),
    *("metadata_license", "metadata_tags", "metadata_usage_hint", "metadata_thumbnail", "metadata_merged_from"),
    *("metadata_trigger_phrase", "metadata_preprocessor", "metadata_is_negative_embedding", "huber_scale"),
    *("controlnet_model_name_or_path", "scale_weight_norms", "base_weights", "base_weights_multiplier"),
    *("skip_until_initial_step", "initial_epoch", "initial_step", "validation_seed", "validate_every_n_steps"),
    *("validate_every_n_epochs", "max_validation_steps", "masked_loss", "conditioning_data_dir"),
    *("console_log_level", "console_log_file", "console_log_simple"),
)


def find_reason(option: str) -> str:
    """Why an option is not taken over."""
    return ELSEWHERE.get(option) or (NOTHING if option in KNOWN else UNKNOWN)


def read_number(kind: Any, text: str) -> Any:
    """Raises ValueError with what is expected."""
    try:
        number = float(text)
        return int(number) if kind is int and number.is_integer() else kind(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"got {text[:80]!r}, expected a {'whole ' if kind is int else ''}number") from error
