"""A tiny llama with random weights, in GGUF: half a megabyte, made in a second, the same every time.

It knows no language. Under a grammar it writes decisions of the right shape with random words in them, which is all
that is needed to test a loop against real inference.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128
NORMAL, UNKNOWN, CONTROL, BYTE = (
    gguf.TokenType.NORMAL,
    gguf.TokenType.UNKNOWN,
    gguf.TokenType.CONTROL,
    gguf.TokenType.BYTE,
)
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
CONSTANT = 8.0
"""The first dimension of every embedding, never changed on the way: its output weights are a bias a token."""
BIASES = {'"': 0.5, "\\": -6.0}
"""Strings end soon, and escapes are rare."""
NEVER = -30.0
"""Raw bytes would be broken UTF-8."""


def vocabulary() -> tuple[list[bytes], list[int], list[float]]:
    """Return tokens, their types and scores: bytes for what nothing else spells, ASCII, and a few pairs."""
    pairs = ["\u2581the", "th", "er", "in", "on", "\u2581a", "re", "he", "an"]
    letters = ["\u2581", *map(chr, range(33, 127))]
    tokens = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)]
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(letters) + len(pairs))
    scores = [0.0] * len(tokens) + [-float(rank) for rank in range(1, len(letters) + 1)] + [-1000.0] * len(pairs)
    return tokens + [word.encode() for word in letters + pairs], types, scores


def write(path: Path, context: int = 16_384) -> Path:
    """Write the model; `context` is its window in tokens."""
    random = np.random.default_rng(0)
    tokens, types, scores = vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, context, tokens, types, scores)

    def add(name: str, *shape: int, scale: float, keep: bool = False) -> None:
        weights = (random.standard_normal(shape) * scale / np.sqrt(shape[-1])).astype(np.float32)
        if keep:  # writes nothing into the first dimension
            weights[0] = 0
        writer.add_tensor(name, weights)

    embedding = (random.standard_normal((len(tokens), WIDTH)) * 0.4).astype(np.float32)
    embedding[:, 0] = CONSTANT
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    output = (random.standard_normal((len(tokens), WIDTH)) * 0.25).astype(np.float32)
    output[:, 0] = [
        (NEVER if kind == BYTE else BIASES.get(token.decode(), 0.0)) / 7
        for token, kind in zip(tokens, types, strict=True)
    ]
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v"):
            add(f"{block}{name}.weight", WIDTH, WIDTH, scale=0.5)
        add(f"{block}attn_output.weight", WIDTH, WIDTH, scale=0.05, keep=True)
        add(f"{block}ffn_down.weight", WIDTH, INNER, scale=0.05, keep=True)
        for name in ("ffn_gate", "ffn_up"):
            add(f"{block}{name}.weight", INNER, WIDTH, scale=0.5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, context: int, tokens: list, types: list, scores: list) -> None:
    writer.add_name("tiny-random")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), *map(int, sys.argv[2:])))
