"""From a trained adapter to a servable model folder: merged, exported, described by a manifest."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import msgspec

from twin import disk
from twin.artifacts.model_folder import MANIFEST, file_sha256
from twin.training import llama_gguf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from twin.training.recipe import Provenance, Recipe

__all__ = ["ADAPTER_FOLDER", "GGUF_FILE", "export"]

GGUF_FILE = "model-q8_0.gguf"
MERGED_FOLDER = "merged"
ADAPTER_FOLDER = "adapter"
TOKENIZER_FOLDER = "tokenizer"


def export(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    base: Path,
    folder: Path,
    *,
    recipe: Recipe,
    provenance: Provenance,
    metrics: Mapping[str, Any],
    trained_at: datetime,
) -> dict[str, Any]:
    """Writes the adapter, the tokenizer, the merged model and, last of all, the manifest, which it returns.

    The merged model is a Q8_0 GGUF where the base was converted from one; then no float32 copy is kept. Otherwise it
    is a Hugging Face folder.
    """
    _empty(folder)
    for config in model.peft_config.values():
        config.base_model_name_or_path = provenance.base_model  # not this machine's path
    model.save_pretrained(str(folder / ADAPTER_FOLDER), save_embedding_layers=False)
    (folder / ADAPTER_FOLDER / "README.md").unlink(missing_ok=True)  # a form for a model hub, not filled in
    tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)
    merged = model.merge_and_unload()
    vocabulary = base / llama_gguf.VOCABULARY_FILE
    if vocabulary.is_file():
        llama_gguf.export(_weights(merged), vocabulary, folder / GGUF_FILE)
        form, file = "gguf", GGUF_FILE
    else:
        merged.save_pretrained(folder / MERGED_FOLDER)
        tokenizer.save_pretrained(folder / MERGED_FOLDER)
        form, file = "transformers", MERGED_FOLDER
    manifest = {
        "format": form,
        "file": file,
        **msgspec.structs.asdict(provenance),
        "hyperparameters": msgspec.structs.asdict(recipe),
        "recipe": recipe.hash,
        "metrics": dict(metrics),
        "sha256": _checksums(folder),
        "trained_at": trained_at.isoformat(),
    }
    disk.write(folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
    return manifest


def _empty(folder: Path) -> None:
    """The folder itself stays: in a container it is a mount."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _weights(model: PreTrainedModel) -> Iterator[tuple[str, np.ndarray]]:
    tied = model.config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        if not (tied and name == "lm_head.weight"):
            yield name, tensor.float().cpu().numpy()


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
