"""Finding and replacing secrets and personal data in text. Standard library only; no state, no I/O.

Each rule has *needles*, plain substrings one of which is in every match: looking for these costs a fraction
of a regular expression, and ordinary text holds none of them. Before that, one look at the text's shape rules
most of them out: a key is a long run of letters, digits and dashes, which ordinary text does not have, and a
card or phone number is eight digits with nothing but separators between them. Rules are narrow on purpose: a
redacted UUID, date or order number makes a trace useless, and nobody can undo it.

What is found becomes ``[api_key]``, ``[token]``, ``[private_key]``, ``[password]``, ``[email]``,
``[card_number]`` or ``[phone]``; scrubbing scrubbed text changes nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding."""

    name: str
    needles: tuple[str, ...]
    """Every match contains at least one of these."""
    pattern: re.Pattern[str]
    replacement: _Replacement
    is_long_run: bool = True
    """Every match contains ``_RUN`` characters of a key in a row."""


_START = r"(?<![A-Za-z0-9_])"
_MIXED = r"(?=[A-Za-z0-9_\-]*[0-9])(?=[A-Za-z0-9_\-]*[A-Za-z])"
"""A key has letters and digits; a hyphenated English word has no digits."""

_TEXT_RULES = (
    Rule(
        "private key",
        ("-----BEGIN",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"[A-Za-z0-9+/=\s\\:,.\-]{0,16384}?"
            r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|\Z)"
        ),
        "[private_key]",
        is_long_run=False,
    ),
    Rule(
        "JSON web token",
        ("eyJ",),
        re.compile(_START + r"eyJ[\w\-]{8,4096}\.[\w\-]{8,8192}\.[\w\-]{8,4096}(?:\.[\w\-]{1,4096}){0,2}"),
        "[token]",
    ),
    Rule(
        "key with a dash prefix",
        ("sk-", "xai-", "pplx-", "glpat-", "xox", "xapp-"),
        re.compile(
            _START + r"(?:sk-|xai-|pplx-|glpat-|xox[abeoprs]-|xapp-)" + _MIXED + r"[A-Za-z0-9_\-]{16,400}"
        ),
        "[api_key]",
    ),
    Rule(
        "AWS access key id",
        ("AKIA", "ASIA"),
        re.compile(_START + r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"),
        "[api_key]",
    ),
    Rule(
        "Google key",
        ("AIza", "ya29."),
        re.compile(_START + r"(?:AIza[\w\-]{35}|ya29\.[\w\-]{20,1024})"),
        "[api_key]",
    ),
    Rule("SendGrid key", ("SG.",), re.compile(_START + r"SG\.[\w\-]{16,32}\.[\w\-]{16,64}"), "[api_key]"),
    Rule(
        "Slack webhook",
        ("hooks.slack.com",),
        re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/]{16,128}"),
        r"\1[api_key]",
        is_long_run=False,
    ),
    Rule(
        "bearer token",
        ("earer ", "EARER "),
        re.compile(r"\b([Bb]earer|BEARER) +(?=[\w.~+/\-]*\d)[\w.~+/\-]{16,8192}={0,2}"),
        r"\1 [token]",
    ),
    Rule(
        "basic authorization",
        ("asic ",),
        re.compile(r"(?i)(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic) +[A-Za-z0-9+/]{8,1024}={0,2}"),
        r"\1 [token]",
        is_long_run=False,
    ),
    Rule(
        "assigned password",
        ("assw", "ASSW"),
        re.compile(
            r"(?i)((?<![a-z])[\w\-]{0,32}passw(?:or)?d"
            r"(?:[\"']\s{0,3}:\s{0,3}(?=[\"'])|[\"']?\s{0,3}=\s{0,3}))"
            r"(?:\"[^\"\n]{1,256}\"|'[^'\n]{1,256}'|(?![\[\"'(])[^\s\"',;&(]{4,256}(?![^\s\"',;&]))"
        ),
        r"\1[password]",
        is_long_run=False,
    ),
    Rule(
        "assigned key",
        ("key", "KEY", "Key", "secret", "SECRET", "token", "TOKEN"),
        re.compile(
            r"(?i)((?:api[_\-]?key|access[_\-]key|secret[_\-]?key|client[_\-]secret|account[_\-]?key"
            r"|access[_\-]token|refresh[_\-]token|auth[_\-]token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
            r"(?=[A-Za-z0-9_\-+/.]*\d)(?=[A-Za-z0-9_\-+/.]*[A-Za-z])[A-Za-z0-9_\-+/.]{16,512}={0,2}"
        ),
        r"\1[api_key]",
    ),
)

_UNDERSCORE_RULE = Rule(
    "key with an underscore prefix",
    (
        "sk_",
        "rk_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "hf_",
        "npm_",
        "r8_",
        "whsec_",
        "dapi_",
        "lsv2_",
        "glsa_",
    ),
    re.compile(
        _START + r"(?:(?:sk|rk|gsk|hf|npm|r8|whsec|dapi|glsa|gh[opusr])_|github_pat_|(?:sk|rk)_(?:live|test)_"
        r"|lsv2_(?:pt|sk)_)" + _MIXED + r"[A-Za-z0-9_]{20,255}"
    ),
    "[api_key]",
)

_SHORT_RULES = tuple(rule for rule in _TEXT_RULES if not rule.is_long_run)
_LONG_RULES = (*(rule for rule in _TEXT_RULES if rule.is_long_run), _UNDERSCORE_RULE)

_URL_PASSWORD = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s:@/\"'<>]{0,128}):(?!\[password\])[^\s@/\"'<>]{1,256}@"
)
_EMAIL = re.compile(
    r"(?<![\w.+%\-/])(?!git@)[\w.+%\-]{1,64}@(?=[\w\-.]{4,255})(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])"
)
_RUN = 16
_LONG_RUN = b"x" * _RUN
_RUN_SHAPE = bytes(
    120 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-+/.~=") else 32
    for code in range(256)
)
_EIGHT_DIGITS = b"0" * 8
_DIGIT_SHAPE = bytes(48 if 48 <= code <= 57 else 32 for code in range(256))
_SEPARATORS = b" .-()+"
_CARD = re.compile(
    r"(?<![\w.+\-])(?:\d{13,19}|\d{4}([ \-])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ \-])\d{6}\2\d{4,5})(?![\w\-]|\.\d)"
)
_CARD_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
_PHONE = re.compile(
    r"(?<![\w+.])\+[1-9]\d{0,2}(?:[ .\-]?\(?\d{1,4}\)?){2,6}(?![\w]|[.\-]\d)"
    r"|(?<![\w.+\-/])(?:1[ .\-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[ .\-]\d{4}|[2-9]\d\d([.\- ])[2-9]\d\d\1\d{4})"
    r"(?![\w\-]|\.\d)"
)

_SECRET_FIELDS = frozenset(
    {
        "password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "api-key",
        "x-api-key",
        "authorization",
        "proxy-authorization",
        "access_token",
        "refresh_token",
        "auth_token",
        "client_secret",
        "secret_key",
        "private_key",
        "aws_secret_access_key",
    }
)
REDACTED = "[redacted]"
"""Stands for the value of a field whose name says that it is secret."""


def scrub(text: str) -> str:
    """Returns text without secrets and personal data; the same object when nothing was found."""
    raw = text.encode("utf-8", "replace")
    for rule in _SHORT_RULES:
        text = _apply(rule, text)
    if _LONG_RUN in raw.translate(_RUN_SHAPE):
        for rule in _LONG_RULES:
            text = _apply(rule, text)
    if "@" in text:
        if "://" in text:
            text = _URL_PASSWORD.sub(r"\1:[password]@", text)
        text = _EMAIL.sub("[email]", text)
    if _EIGHT_DIGITS in raw.translate(_DIGIT_SHAPE, _SEPARATORS):
        text = _PHONE.sub(_phone, _CARD.sub(_card, text))
    return text


def _apply(rule: Rule, text: str) -> str:
    for needle in rule.needles:
        if needle in text:
            return rule.pattern.sub(rule.replacement, text)
    return text


def scrub_value(value: object) -> object:
    """Returns a copy of a JSON-able value with every string scrubbed.

    A string in a field named like a secret (``password``, ``api_key``, ``authorization``, …) is replaced
    whole, whatever it looks like. Keys are kept as they are.
    """
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {
            key: REDACTED if item.__class__ is str and is_secret_field(key) and item else scrub_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub_value(item) for item in value]
    return value


def is_secret_field(name: object) -> bool:
    """Tells whether a field of this name holds a secret."""
    return isinstance(name, str) and len(name) < 32 and name.lower() in _SECRET_FIELDS


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"[ \-]", "", match.group())
    return "[card_number]" if _CARD_BRANDS.fullmatch(digits) and _passes_luhn(digits) else match.group()


def _passes_luhn(digits: str) -> bool:
    """Tells whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _phone(match: re.Match[str]) -> str:
    count = sum(character.isdigit() for character in match.group())
    return "[phone]" if 8 <= count <= 15 else match.group()
