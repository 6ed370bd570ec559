"""Finding and replacing secrets and personal data in text. Standard library only; no state, no I/O.

Ordinary text must cost next to nothing, so nothing is matched before a *probe* has found something that every
match contains: a few plain substrings, or a pattern that starts with one rare character, which CPython looks
for with ``memchr``. Rules are narrow on purpose: a redacted UUID, date or order number makes a trace useless,
and nobody can undo it.

What is found becomes ``[api_key]``, ``[token]``, ``[private_key]``, ``[password]``, ``[email]``,
``[card_number]`` or ``[phone]``; scrubbing scrubbed text changes nothing.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding; ``needles`` are plain substrings, one of which is in every match."""

    name: str
    pattern: re.Pattern[str]
    replacement: str
    needles: tuple[str, ...] = ()


_START = r"(?<![A-Za-z0-9_])"
_MIXED = r"(?=[A-Za-z_\-+/.~]{0,64}[0-9])(?=[0-9_\-+/.~]{0,64}[A-Za-z])"
"""A key has letters and digits, a hyphenated English word has no digits. Bounded, as every repetition is, so
that no text, however hostile, takes more than linear time."""

_DASH_PROBE = re.compile(
    r"-(?:----BEGIN |(?i:key|token|secret)"
    r"|(?:(?<=sk-)|(?<=xai-)|(?<=pplx-)|(?<=glpat-)|(?<=xox.-)|(?<=xapp-))[A-Za-z0-9_\-]{16})"
)
_UNDERSCORE_PROBE = re.compile(
    r"_(?:(?i:key|token|secret)|(?:(?<=[rs]k_)|(?<=hf_)|(?<=npm_)|(?<=r8_)|(?<=whsec_)|(?<=glsa_)|(?<=gh[opusr]_)"
    r"|(?<=github_pat_)|(?<=lsv2_pt_)|(?<=lsv2_sk_)|(?<=k_live_)|(?<=k_test_))[A-Za-z0-9_]{16})"
)
_ASSIGNED_KEY = Rule(
    "assigned key",
    re.compile(
        r"(?i)((?:api[_\-]?key|access[_\-]key|secret[_\-](?:access[_\-])?key|client[_\-]secret|account[_\-]?key"
        r"|access[_\-]token|refresh[_\-]token|auth[_\-]token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
        r"" + _MIXED + r"[A-Za-z0-9_\-+/.]{16,512}={0,2}"
    ),
    r"\1[api_key]",
)
_DASH_RULES = (
    Rule(
        "private key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
            r"[^-]{0,16384}(?:-{1,4}(?!-)[^-]{0,16384}){0,8}"
            r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"|[A-Za-z0-9+/=\r\n\t\\]{8,16384})"  # cut off before its end
        ),
        "[private_key]",
    ),
    Rule(
        "key with a dash prefix",
        re.compile(
            _START + r"(?:sk-|xai-|pplx-|glpat-|xox[abeoprs]-|xapp-)" + _MIXED + r"[A-Za-z0-9_\-]{16,400}"
        ),
        "[api_key]",
    ),
    _ASSIGNED_KEY,
)
_UNDERSCORE_RULES = (
    Rule(
        "key with an underscore prefix",
        re.compile(
            _START + r"(?:(?:sk|rk|gsk|hf|npm|r8|whsec|glsa|gh[opusr])_|github_pat_|[rs]k_(?:live|test)_"
            r"|lsv2_(?:pt|sk)_)" + _MIXED + r"[A-Za-z0-9_]{16,255}"
        ),
        "[api_key]",
    ),
    _ASSIGNED_KEY,
)
_DOT_RULES = (
    Rule(
        "JSON web token",
        re.compile(_START + r"eyJ[\w\-]{8,4096}\.eyJ[\w\-]{8,8192}(?:\.[\w\-]{1,4096})?"),
        "[token]",
    ),
    Rule("Google access token", re.compile(_START + r"ya29\.[\w\-]{20,1024}"), "[api_key]"),
    Rule("SendGrid key", re.compile(_START + r"SG\.[\w\-]{16,32}\.[\w\-]{16,64}"), "[api_key]"),
)
_CAPITAL_RULES = (
    Rule("AWS access key id", re.compile(_START + r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"), "[api_key]"),
    Rule("Google API key", re.compile(_START + r"AIza[\w\-]{35}"), "[api_key]"),
)
_PROBED = (
    ("-", _DASH_PROBE, _DASH_RULES),
    ("_", _UNDERSCORE_PROBE, _UNDERSCORE_RULES),
    (".", re.compile(r"\.(?:eyJ|(?<=SG\.)[\w\-]{16}|(?<=ya29\.)[\w\-]{16})"), _DOT_RULES),
    ("A", re.compile(r"A(?:KIA|SIA|Iza)[\w\-]{16}"), _CAPITAL_RULES),
)
"""A character, a pattern that begins with it, and the rules to apply where that is found."""

_NEEDLE_RULES = (
    Rule(
        "Slack webhook",
        re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/]{16,128}"),
        r"\1[api_key]",
        ("hooks.slack.com/",),
    ),
    Rule(
        "bearer token",
        re.compile(r"\b([Bb]earer) +" + _MIXED + r"[\w.~+/\-]{16,8192}={0,2}"),
        r"\1 [token]",
        ("earer ",),
    ),
    Rule(
        "basic authorization",
        re.compile(r"(?i)(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic) +[A-Za-z0-9+/]{8,1024}={0,2}"),
        r"\1 [token]",
        ("uthorization",),
    ),
    Rule(
        "assigned password",
        re.compile(
            r"(?i)(passw(?:or)?d(?:\\?[\"']\s{0,3}:\s{0,3}(?=\\?[\"'])|\\?[\"']?\s{0,3}=\s{0,3}))"
            r"(?:(\\?[\"'])[^\"'\\\n]{1,256}\2|(?![\[\"'(\\])[^\s\"',;&(\\]{4,256}(?![^\s\"',;&\\]))"
        ),
        r"\1\2[password]\2",
        ("assword", "asswd", "PASSW"),
    ),
    Rule("assigned key", _ASSIGNED_KEY.pattern, _ASSIGNED_KEY.replacement, ("pikey", "piKey", "ccountKey")),
)

_URL_PASSWORD = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s:@/\"'<>]{0,128}):(?!\[password\])[^\s@/\"'<>]{1,256}@"
)
_LOCAL_PART = re.compile(r"[\w.+%\-]{1,64}\Z")
_DOMAIN = re.compile(r"@(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])")

_NOT_DIGITS = bytes(code for code in range(256) if not 48 <= code <= 57)
_MIN_CHARS = 6
"""Nothing that is looked for is shorter; the shortest e-mail address is ``a@b.de``."""
_MIN_DIGITS = 8
"""A telephone number has no fewer; most text has not as many in all."""

# Patterns for digits begin with the digit itself and look behind afterwards: a pattern that begins with a set
# of characters is searched for several times faster than one that begins with a condition.
_CARD = re.compile(
    r"[2-6](?<![\w.+\-].)(?:\d{12,18}|\d{3}([ \-])\d{4}\1\d{4}\1\d{1,7}|\d{3}([ \-])\d{6}\2\d{4,5})"
    r"(?![\w\-]|\.\d)"
)
_CARD_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
_PHONE_WORLD = re.compile(
    r"\+(?<![\w+.]\+)[1-9]\d{0,2}(?:[ .\-]?(?:\d{1,4}|\(\d{1,4}\))){2,6}(?![\w]|[.\-]\d)"
)
_PHONE_AMERICA = re.compile(
    r"[(1-9](?<![\w.+\-/].)(?:(?<=1)[ .\-](?:\([2-9]\d\d\) ?|[2-9]\d\d[ .\-])[2-9]\d\d[ .\-]\d{4}"
    r"|(?<=\()[2-9]\d\d\) ?[2-9]\d\d[ .\-]\d{4}|(?<=[2-9])\d\d([.\-])[2-9]\d\d\1\d{4}"
    r"|(?<=[2-9])(?!00)\d\d [2-9](?!00)\d\d \d{4}(?! ?\d))(?![\w\-]|\.\d)"
)
_NUMBER = rf"\d(?:[ .()\-]{{0,3}}\d){{{_MIN_DIGITS - 1}}}"
"""What every card number and telephone number contains."""
_NUMBERS = re.compile(_NUMBER)

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
_LOWER_NEEDLES = {needle.lower() for rule in _NEEDLE_RULES for needle in rule.needles}
_JSON_NEEDLES = (
    *sorted(_LOWER_NEEDLES),
    *sorted(
        f'"{name}":'
        for name in _SECRET_FIELDS
        if not any(needle in name for needle in _LOWER_NEEDLES)
        and not any(pattern.search(name) for _, pattern, _ in _PROBED)
    ),
)
"""What tells in lower-case JSON that a needle rule or a secret field's name may be in it."""
_STEMS = ("assw", "earer ", "key", "uthorization", "secret", "hooks.")
"""One of these is in each of them: six searches instead of one for each."""
REDACTED = "[redacted]"
"""Stands for the value of a field whose name says that it is secret."""


def scrub(text: str) -> str:
    """Returns text without secrets and personal data; the same object when nothing was found."""
    if len(text) < _MIN_CHARS or text.isalpha():
        return text
    for character, probe, rules in _PROBED:
        if character in text and probe.search(text):
            for rule in rules:
                text = rule.pattern.sub(rule.replacement, text)
    for rule in _NEEDLE_RULES:
        if _contains_any(text, rule.needles):
            text = rule.pattern.sub(rule.replacement, text)
    if "@" in text:
        if "://" in text:
            text = _URL_PASSWORD.sub(r"\1:[password]@", text)
        text = _without_addresses(text)
    if len(text.encode("utf-8", "replace").translate(None, _NOT_DIGITS)) >= _MIN_DIGITS:
        text = _CARD.sub(_card, text)
        text = _PHONE_AMERICA.sub(_phone, _PHONE_WORLD.sub(_phone, text))
    return text


def may_change(json_text: str) -> bool:
    """Tells whether ``scrub_value`` might change a value, by its JSON; False is certain.

    Everything that the rules look for first is free of characters that JSON escapes, and none of it depends
    on what stands before: where it is not in the JSON, it is in no string either.
    """
    for character, pattern, _ in _PROBED:
        if character in json_text and pattern.search(json_text):
            return True
    if "@" in json_text:
        return True
    lower = json_text.lower()
    if _contains_any(lower, _STEMS) and _contains_any(lower, _JSON_NEEDLES):
        return True
    digits = len(json_text.encode("utf-8", "replace").translate(None, _NOT_DIGITS))
    return digits >= _MIN_DIGITS and _NUMBERS.search(json_text) is not None


def probe() -> str:
    """Returns a pattern that is found in every text that ``scrub`` changes, and seldom in others.

    It is for engines that search many texts at once, and has no assertions, which those lack. It is derived
    from the probes above, so that a new rule is in it.
    """
    parts = [re.sub(r"\(\?<=[^()]*\)", "", pattern.pattern) for _, pattern, _ in _PROBED]
    parts += [re.escape(needle) for rule in _NEEDLE_RULES for needle in rule.needles]
    return "|".join((*parts, "@", _NUMBER))


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


def _contains_any(text: str, needles: tuple[str, ...]) -> bool:
    for needle in needles:  # noqa: SIM110  any() over a generator costs more than the search itself
        if needle in text:
            return True
    return False


def _without_addresses(text: str) -> str:
    """Replaces e-mail addresses, found from their @ outwards; ``git@host`` is a login, not a person."""
    pieces: list[str] = []
    done = 0
    for domain in _DOMAIN.finditer(text):
        local = _LOCAL_PART.search(text, max(done, domain.start() - 64), domain.start())
        if local is None or local.group() == "git" or text[local.start() - 1 : local.start()] in ("/", "@"):
            continue
        pieces += (text[done : local.start()], "[email]")
        done = domain.end()
    return "".join((*pieces, text[done:])) if pieces else text


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
