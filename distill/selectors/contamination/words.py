"""How common a token is before any benchmark is seen: a prior, so that a suite of 30 items, or of one, can be weighed.

The lists are ours, from reading problems: the point is only that "the" says nothing, "total" says little, and
"Dijana" says much.
"""

FUNCTION = frozenset(
    "a an the of to in is are was were be been being and or not no nor but if then else than that this these those it "
    "its he she they we you i his her hers him them us our my me your their theirs who whom whose which what when "
    "where why how there here as at by for from with without into onto over under between among through during "
    "before after above below up down out off on about each every all any some both either neither one other another "
    "such same so too very also just only more most much many less least few fewer do does did done has have had "
    "having can could will would shall should may might must let lets s t re ve ll d m".split()
)
"""Words that hold English together. Their share also tells English from other languages in Latin letters."""

TASK = frozenset(
    "find given give gives value values number numbers total determine calculate compute evaluate answer question "
    "problem following statement statements true false correct best most likely describe describes refer refers "
    "information suppose assume show prove express form equal equals sum difference product get gets make makes "
    "take takes buy buys cost costs price money dollar dollars spend spends pay paid day days week weeks month months "
    "year years hour hours minute minutes time times old age long left remaining per twice half third quarter percent "
    "first second next last new people person function functions return returns list lists string strings array arrays "
    "integer integers input output element elements def int str len range print example examples param type import "
    "include code python javascript java c using use used write program var const void char double float bool boolean "
    "none null self result results count length size index sort sorted class solve solution equation positive real "
    "integers frac sqrt text left right cdot times leq geq ldots mathbb boxed expressed simplify".split()
)
"""Words of the trade: they tell a kind of problem, not a problem."""

TRADE = frozenset(
    "arr array lst li nums num tup test testlist max min maximum minimum largest smallest greatest longest shortest "
    "highest lowest tuple tuples dict dictionary dictionaries key keys pair pairs order ordered ascending "
    "descending reverse reversed rearrange duplicate duplicates unique distinct different same remove insert append "
    "add delete replace check whether convert contain contains containing character characters letter letters "
    "lowercase uppercase digit digits substring prefix suffix word words sentence vowel vowels space spaces "
    "whitespace binary decimal hexadecimal prime primes even odd square squares cube cubes factorial fibonacci "
    "palindrome matrix row rows column columns grid node nodes tree edge edges graph path stack queue loop nested "
    "common position positions occurrence occurrences frequency subset subarray subsequence sequence sequences "
    "consecutive adjacent set sets operation operations implement method object valid invalid empty negative zero "
    "item items record records group specified average mean median total combine concatenate merge split extract "
    "filter search regex pattern match compare triangle angle angles circle radius area perimeter side sides point "
    "points line lines plane segment polynomial root roots degree coefficient complex probability random divisible "
    "divisor divisors multiple multiples factor factors remainder rational ratio distance speed rate volume surface "
    "width height rectangle sphere equilateral right base power exponent vector function intersect intersection "
    "union parallel perpendicular expression term terms series arithmetic geometric fraction fractions inequality "
    "constant variable variables satisfy satisfies interval".split()
)
"""Words of a subject: rarer than those, but two problems of one subject share several."""

FOREIGN = frozenset(
    "de la le el les los las un una une des du et est il que qui en der die das und ist ein eine den dem von mit zu "
    "auf por para con del se al di che non per sono gli nel da em os as uma o na no dans pour sur avec sont som och "
    "att det av jest nie na sie z w i do".split()
) - {"i", "as", "no", "do", "per", "o", "z", "w", "a", "on"}
"""The same for other languages in Latin letters."""

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
UNITS = _SMALL[1:10]

NUMERALS = (
    {word: str(number) for number, word in enumerate(_SMALL)}
    | {word: str(10 * ten) for ten, word in enumerate(TENS, 2)}
    | {f"{word}-{unit}": f"{ten}{digit}" for ten, word in enumerate(TENS, 2) for digit, unit in enumerate(UNITS, 1)}
    | {"dozen": "12"}
)

MONTHS = {
    month: str(number)
    for number, month in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
"""Other scripts write months as numbers."""
