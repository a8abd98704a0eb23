"""The words around a choice, in several languages: "the answer is", "or", "because".

Every repetition is bounded or possessive, so that each pattern takes time linear in the text.
"""

import re

DECORATION = r"[\s*_`\"'#>,]{0,16}+"
"""What may stand between the words of a statement."""

_NOUNS = (
    r"answers?|ans|choices?|options?|selection|final"
    r"|réponses?|choix|respuestas?|opción|antwort(?:en)?|risposta|resposta|opção|antwoord|odpowiedź|cevap|jawaban|svar"
    r"|đáp án|ответ|відповідь"
)
_JOINED_NOUNS = r"答案|答え|解答|正解|选项|選項|选择|選擇|故选|故選|选|選|정답|답|उत्तर|जवाब|উত্তর|คำตอบ|الإجابة|الجواب"
_FILLERS = (
    r"to|for|of|in|this|that|the|which|question|problem|above|below|here|choice|option|letter|therefore|thus|then|so"
    r"|hence|would|should|must|will|has|final|correct|best|right|most likely|probably|clearly"
    r"|a letra|correcte|correcta|correta|corretta|corretto|richtige|juste|bonne|finale?|donc|la|le|el|il|die|der|das"
    r"|lettre|letra|lettera|buchstabe|opción|opção|option|الصحيحة"
)
_LINKS = r"is|are|be|was|est|es|ist|lautet|è|é|sono|são|jest|adalah|là|هي|هو|है"
_SIGNS = r"[:=→⇒➜—–]|-{1,3}>?|는|은|は|是|为|為|\n"  # noqa: RUF001

CUE = re.compile(
    rf"(?:\b(?:{_NOUNS})\b{DECORATION}(?:(?:{_FILLERS})\b{DECORATION}){{0,6}}+(?:\b(?:{_LINKS})\b|{_SIGNS}|(?<=\n))"
    rf"|(?:{_JOINED_NOUNS}))"
    rf"(?:{DECORATION}(?:\b(?:{_LINKS}|{_FILLERS})\b|{_SIGNS})){{0,4}}+{DECORATION}",
    re.IGNORECASE,
)
"""What says that an answer follows."""

HINT = re.compile(
    rf"(?:\b(?:it'?s|it is|must be|that'?s|choose|chose|pick|select|take|go(?:ing)? with|say|therefore|thus|hence|so"
    rf"|leav(?:es|ing)(?: us)?(?: with)?(?: only)?|left with(?: only)?|only|(?:that|which) is (?:true|correct|right) is"
    rf"|(?:correct|right|best|true) [a-z]{{1,20}} (?:is|would be))\b|因此|所以)[:,]?{DECORATION}",
    re.IGNORECASE,
)
"""What may say so: it counts only where nothing says so clearly."""

PREDICATE = (
    r"\s(?:remains\b|is left\b|(?:is|must be|est|es|ist)\s(?:therefore\s|thus\s|clearly\s|the\s|la\s|le\s|die\s)*+"
    r"(?:only\s|most\s|best\s)?(?:correct|right|best|answer|bonne|correcte|correcta|richtig|option\sthat|one\sthat))"
)
"""What makes the letter before it the answer."""
NOT_ASSERTED = r"\b(?:nor|neither|or|and|if|whether|unless|not|than|that|either)\s"
"""Before a letter with such a predicate: nobody says that it is the answer."""

QUALIFIERS = re.compile(
    r"(?:(?:either|both|probably|likely|clearly|definitely|actually|indeed|simply|just|also|still|therefore|thus|then"
    r"|the|option|choice|letter|answer|number|la|le|el|die|opción|opção|lettre|letra|lettera|buchstabe"
    r"|选项|選項)(?:\b|(?=[A-Z]))[\s:]*)++",
    re.IGNORECASE,
)
"""What may stand before a letter and says nothing."""

AND = r"\s?[,;、&]\s?(?:(?:and|et|y|und|e|ve|и)\s)?|\s(?:and|et|y|und|e|ve|и)\s|\s?[和与與及]\s?"
OR = (
    r"\s?[/|]\s?|[\s,]{0,2}\b(?:and/or|or|oder|ou|o|veya|или|either)\s"
    r"(?:(?:maybe|perhaps|possibly|else|even|also|either|option|choice)\s){0,2}+|\s?(?:或者?|または|か)\s?"
)

_CJK = r"\u3000-\u9fff\uac00-\ud7af\uff00-\uffef"
ENDS = rf"\s?$|\s?[,;:!?)\]}}\"”»…]|\.(?![a-z0-9]\.)|\s?[{_CJK}]"
"""After a letter that is a choice, whatever its case."""
_REASONS = (
    r"because|since|as|for|which|with|where|when|while|if|and|but|in|by|due to|from|on|at|to|so|that|according|here"
    r"|again|instead|rather than|not(?!-)|car|parce|puisque|et|mais|non pas|porque|pero|weil|denn|da|nicht|und|sondern"
)
GOES_ON = rf"{ENDS}|\s[-–—]+\s(?=[^\W\d_]{{2}})|\s\((?=[^\W\d_]{{2}})|\s(?:{_REASONS})\b"  # noqa: RUF001
"""After a capital that is a choice: its end, or a reason; an article goes on with a noun."""
DENIES = r"\s(?:non|no|not|pas|nicht|nie|не)\s\(?"
"""Before another letter: "C, and not A"."""
REJECTED = r"\s(?:is|are|was|cannot|can't|can not)\s(?:be\s)?(?:not\b|wrong|incorrect|false|too\b)"
"""After a letter that is named in order to be refused."""
