"""Models small enough to be made at random in a moment, saved as a folder: nothing is downloaded."""

from pathlib import Path
from typing import Any

_TEXT = "hello world what is the capital of france paris berlin one two three red blue yes no why"
WORDS = _TEXT.split()
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "<user>", "<assistant>"]
TEMPLATE = "{% for m in messages %}{{ '<' + m['role'] + '> ' + m['content'] + ' ' }}{% endfor %}<assistant>"


def tokenizer(kind: str = "llama") -> Any:
    """Returns a tokenizer that splits at spaces and knows a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if kind == "bert":
        plain.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        padding_side="left" if kind == "llama" else "right",
        model_max_length=64,
        **({"model_input_names": ["input_ids", "attention_mask"]} if kind == "llama" else {}),
    )
    made.chat_template = TEMPLATE
    return made


def llama(folder: Path) -> str:
    """Saves a Llama of some ten thousand random weights; returns its folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return _saved(LlamaForCausalLM(shape), tokenizer(), folder / "tiny-llama")


def bert(folder: Path, *, labels: int = 0) -> str:
    """Saves a BERT, with a head for scores when it has labels; returns its folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        **({"num_labels": labels} if labels else {}),
    )
    model = BertForSequenceClassification(shape) if labels else BertModel(shape)
    return _saved(model, tokenizer("bert"), folder / ("tiny-scores" if labels else "tiny-bert"))


def _saved(model: Any, words: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)
