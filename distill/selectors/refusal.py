"""Replies that refuse, and errors of an API that were saved as text.

Only how a reply begins counts, as a reasoner says `I'm sorry, I made a mistake` and `I cannot find an integer` on the
way. A problem that itself speaks of errors or of language models is let off.
"""

# ruff: noqa: RUF001  (typographic apostrophes, and the commas of Chinese)

import re

from distill.selectors import Candidate, Context, Drop, Gate

OPENING = 400
"""Characters of an answer in which a refusal is looked for."""
LONGEST_ERROR = 4000
"""Characters. What is longer only quotes an error."""

_HELP = (
    r"(?:assist|help|comply|fulfil+|provide|answer|respond|discuss|engage|continue|support|complete|generate|create|"
    r"produce|share|offer|do that|process|participate|accommodate|write|give|be able to)\b"
)
_CANNOT = r"(?:can['’]?t|cannot|can not|won['’]?t|will not|(?:am|['’]m) (?:not able|unable) to|must decline to)"
_START = r"^\W*(?:[^\n.!?]{0,40}[,:]\s+(?:but )?)?"
_REFUSALS = (
    # I'm sorry, but I can't assist with that.
    rf"{_START}(?:I['’]?m|I am|I|we(?:['’]re| are)|my)?\s*(?:very |so |really |deeply |terribly )?"
    rf"(?:sorry|afraid|apologi[sz]e|apologies)\b[^\n.!?]{{0,40}}?\b(?:I|we)\s*{_CANNOT}\s+(?!help but\b)"
    rf"(?:\w+\s+){{0,2}}?{_HELP}",
    # I cannot help with this request.
    rf"^\W*(?:unfortunately,? )?(?:I|we)\s*{_CANNOT}\s+(?:\w+\s+){{0,2}}?"
    r"(?:assist|help (?:you )?with|comply|fulfil+|provide (?:an? |any )?(?:answers?|assistance|help|solution|"
    r"instructions?|information|guidance|advice|details)|"
    r"engage|support|accommodate|respond to|answer (?:this|that|your))\b",
    r"\b(?:I must|I have to|I need to) (?:respectfully |politely )?decline\b",
    r"\bas an? (?:AI|artificial intelligence|large language model|language model)(?: (?:language )?"
    r"(?:model|assistant|system))?\b,?",
    r"\bI(?:['’]m| am) (?:just |only )?an? (?:AI|language model|large language model)\b",
    r"\b(?:goes |is |be )?against (?:my|our|OpenAI['’]s?|Anthropic['’]s?) "
    r"(?:programming|guidelines|polic\w+|principles)\b",
    r"^\W*(?:很?抱歉|对不起|非常抱歉)[，,\s]*(?:但)?(?:我|作为)[^\n]{0,12}(?:无法|不能|没办法)(?:提供|协助|回答|帮助|满足|完成|继续)",
    r"作为一[个名种](?:AI|人工智能|大?语言模型)",
    r"^\W*申し訳(?:ありません|ございません)が[^\n]{0,30}(?:できません|お答えできません|お手伝い)",
    r"^\W*lo siento,? (?:pero )?no puedo\b",
    r"^\W*(?:je suis )?désolée?,? (?:mais )?je ne (?:peux|suis)\b",
    r"^\W*(?:es )?tut mir leid,? (?:aber )?(?:ich|dabei|das) \w+\b",
)
_ERRORS = (
    r"error (?:processing|generating|in processing|calling|while|occurred|code|communicating)\b",
    r"(?:an? )?(?:\w+ )?(?:error|exception) (?:has )?occurred\b",
    r"(?:\w+\.)*\w*(?:Error|Exception)(?: \d{3})?: ",
    r"(?:error|http(?:/[\d.]+)?(?: error| status)?|status(?: code)?|request failed with status code):?\s*[45]\d\d\b",
    r"[45]\d\d (?:Bad Request|Unauthorized|Forbidden|Not Found|Too Many Requests|Internal Server Error|Bad Gateway|"
    r"Service (?:Temporarily )?Unavailable|Gateway Time-?out)\b",
    r"(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests)\b",
    r"(?:rate limit|quota|you exceeded your current quota|too many tokens)[^\n]{0,40}"
    r"(?:reached|exceeded|exhausted|check your plan)",
    r"(?:the )?(?:request|connection|read|operation)\s*(?:was |has )?(?:timed out|aborted|refused|reset)\b",
    r"(?:the )?(?:response|prompt|content|output|request|completion) (?:was|has been|were) "
    r"(?:filtered|blocked|flagged)\b",
    r"this model's maximum context length\b",
    r"upstream connect error\b",
    r"(?:incorrect|invalid) api key\b",
    r"\[?(?:content[ _]filter(?:ed)?|filtered|blocked|no (?:response|output|content)|empty response|error)\]?\s*$",
    r"\{\s*[\"'](?:error|errors|detail|status_code|code)[\"']\s*:",
    r"\{[^{}]{0,80}[\"']type[\"']\s*:\s*[\"'](?:error|\w+_error)[\"']",
    r"<!doctype html\b",
    r"<html\b",
    r"<\?xml\b",
)
_REFUSAL = re.compile("|".join(f"(?:{pattern})" for pattern in _REFUSALS), re.IGNORECASE)
_ERROR = re.compile(rf"(?:```\w*)?[\s`*\"'#]*(?:{'|'.join(_ERRORS)})", re.IGNORECASE)
_ABOUT = re.compile(
    r"\b(?:http|html|xml|json|api|error|exception|status code|language model|AI|timeout|sorry|apolog\w+)\b",
    re.IGNORECASE,
)


def refusal() -> Gate:
    """Keep traces that at least try: no refusals, no texts of errors."""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        trace = candidate.trace
        for part, text in (("answer", trace.answer), ("thought", trace.thinking)):
            if drop := refused(text, candidate.problem.prompt, is_answer=part == "answer"):
                return Drop(drop.reason, f"{drop.detail} in the {part}")
        return None

    return gate


def refused(text: str, prompt: str, *, is_answer: bool = True) -> Drop | None:
    """Why a text is no try at its problem; None if it is one.

    Args:
        text: A thought or an answer.
        prompt: Its problem.
        is_answer: A thought may weigh whether to refuse; only an error drops it.

    Example:
        >>> refused("I'm sorry, but I can't assist with that request.", "2 + 2?")
        Drop(reason='refuses', detail="I'm sorry, but I can't assist")
        >>> refused("I'm sorry, I made a mistake above: it is 4.", "2 + 2?") is None
        True
    """
    if len(text) <= LONGEST_ERROR and (found := _ERROR.match(text)) and not _ABOUT.search(prompt):
        return Drop("text of an error", _line(found[0]))
    if is_answer and (found := _REFUSAL.search(text[:OPENING])) and not _ABOUT.search(prompt):
        return Drop("refuses", _line(found[0]))
    return None


def _line(found: str) -> str:
    return " ".join(found.split())
