r"""Texts that hurt a careless grader, for test_math_hostile: dear to work out, dear to scan, deep, or code.

Each has a name. `hostile_pairs` lists all of them as pairs of a reference and a response.
"""

MANY = 100_000
"""Characters of a flood."""


def joined(form: str, start: int, stop: int, by: str = ", ") -> str:
    return by.join(form.format(i) for i in range(start, stop))


def braced(form: str, start: int, stop: int, step: int = 1) -> str:
    return r"\{" + ", ".join(form.format(i) for i in range(start, stop, step)) + r"\}"


def intervals(count: int) -> str:
    return r" \cup ".join(rf"({3 * i}, {3 * i + 1})" for i in range(count))


def root_intervals(start: int, stop: int) -> str:
    return r" \cup ".join(rf"(\sqrt{{{2 * i}}}, \sqrt{{{2 * i + 1}}})" for i in range(start, stop))


def roots_matrix(size: int, corner: str = "0") -> str:
    rows = [[rf"\sqrt{{{i * size + j + 2}}}" for j in range(size)] for i in range(size)]
    rows[-1][-1] = corner
    return r"\begin{pmatrix}" + r"\\".join(" & ".join(row) for row in rows) + r"\end{pmatrix}"


# What costs too much to work out, as an answer to 7.
DEAR = {
    "tower": r"9^{9^{9^9}}",
    "tower in parentheses": "5^(5^(5^(5^5)))",
    "plain tower": "9^9^9^9",
    "tower of powers of two": r"2^{2^{2^{49}}}",
    "long tower": "2^" * 5000 + "2",
    "factorial": "10000000!",
    "factorials of factorials": "((100!)!)!",
    "factorial signs": "3" + "!" * 5000,
    "binomial": r"\binom{1000000}{500000}",
    "nested binomials": r"\binom{" * 60 + "9" + "}{4}" * 60,
    "greatest common divisor": r"\gcd(100000!, 99999!+1)",
    "remainder of a tower": r"7^{7^{7^7}} \bmod 10",
    "power": r"7^{100000000}",
    "quotient of powers": r"\frac{7^{100000000}}{7^{99999998}}",
    "power plus one": r"3^{300000000}+1",
    "tiny power": r"10^{-10^{10^{10}}}",
    "logarithm of a tower": r"\log_{10}(10^{10^{10^{10}}})",
    "sine of a tower": r"\sin(9^{9^{9}})",
    "floor of a tower": r"\lfloor 9^{9^{9^{9}}} / 7 \rfloor",
    "root of a tower": r"\sqrt[9^{9^9}]{9^{9^{9^9}}}",
    "sum": r"\sum_{n=1}^{10^9} n^3 \sin n",
    "nested sums": r"\sum_{a=1}^{10^4}\sum_{b=1}^{10^4}\sum_{c=1}^{10^4} \frac{1}{a+b+c}",
    "product": r"\prod_{n=1}^{10^6} (n+\pi)",
    "integral": r"\int_0^\infty \frac{\sin(x^3) e^{-x^2}}{\ln(x+2)+\sqrt{x}}\,dx",
    "limit": r"\lim_{n\to\infty} \left(1+\frac{1}{n^{n^{n}}}\right)^{n^{n^{n}}}",
    "zeros": r"\operatorname{zeros}(20000,20000)",
    "eye": "eye(20000)",
    "singular values": r"\operatorname{SVD}(\begin{pmatrix}1&2&3\\4&5&6\\7&8&10\end{pmatrix})",
    "symbolic determinant": r"\det" + roots_matrix(12),
    "exponent": "1e999999999",
    "negative exponent": "1e-999999999",
    "exponents": "1e9e9e9e9",
    "zeta": r"\zeta(10^{10^{10}})",
    "gamma": r"\Gamma(10^{10})",
    "millions of millions": "one " + "million " * 5000,
    "signs that double": r" + ".join([r"\pm 1"] * 60),
    "list of signs that double": r", ".join([r"\pm 1 \pm 2 \pm 3"] * 300),
    "modulus": r"2^{10^{18}} \pmod{10^{18}+9}",
    "continued fraction": r"1+\cfrac{1}{" * 500 + "2" + "}" * 500,
    "arrows": r"10 \uparrow\uparrow\uparrow 10",
    "big base": "Z" * 20_000 + "_{36}",
    "repeating decimal": r"0.\overline{" + "142857" * 10_000 + "}",
    "percent signs": "5" + r"\%" * 5000,
    "words for large numbers": "hundred thousand million billion " * 2000,
    "absolute values": "|" * 2000 + "5" + "|" * 2000,
}

# A reference, and an answer beside it: whether they are equal, and None where nobody can be asked to know.
TWINS: dict[str, tuple[str, str, bool | None]] = {
    "powers of a sum": (r"(a+b+c+d)^{60}", r"(a+b+c-d)^{60}", False),
    "higher powers of a longer sum": (r"(a+b+c+d+f+g)^{900}", r"(a+b+c+d+f-g)^{900}", False),
    "geometric series": (" + ".join(f"x^{{{i}}}" for i in range(800)), r"\frac{x^{800}-1}{x-1}", True),
    "sum of sines": (joined(r"\sin({}x)", 1, 200, " + "), joined(r"\sin({}x)", 2, 201, " + "), False),
    "polynomial of a large degree": (r"x^{1000000000}-1", r"x^{1000000000}+1", False),
    "powers of a binomial": (r"(x+1)^{5000}", r"(x+1)^{4999}", False),
    "towers": (r"9^{9^{9^9}}", r"9^{9^{9^8}}", False),
    "digits": ("7" * MANY, "7" * MANY, True),
    "digits but for the last": ("7" * MANY, "7" * (MANY - 1) + "8", False),
    "digits of another base": ("1" * 50_000 + "_7", "1" * 49_999 + "2_7", False),
    "fewer digits of another base": ("1" * 9000 + "_7", "1" * 8999 + "2_7", False),
    "zeros after the point": ("0." + "0" * 400_000 + "1", "0." + "0" * 400_000 + "2", False),
    "set": (braced("{}", 0, 2000), braced("{}", 1999, -1, -1), True),
    "set but for one": (braced("{}", 0, 2000), braced("{}", 1, 2001), False),
    "set of roots": (braced(r"\sqrt{{{}}}", 2, 400), braced(r"\sqrt{{{}}}", 399, 0, -1), False),
    "set of sines": (braced(r"\sin({}x)", 2, 300), braced(r"\sin({}x)", 3, 301), False),
    "set of powers": (braced("x^{{{}}}", 2, 300), braced("x^{{{}}}", 3, 301), False),
    "set of sets": (braced(r"\{{{0},{0}+1\}}", 0, 300), braced(r"\{{{0},{0}+1\}}", 1, 301), False),
    "excluded values": (joined(r"x \ne {}", 0, 300), joined(r"x \ne {}", 1, 301), False),
    "fraction of long numbers": (
        rf"\frac{{{'7' * 6000}}}{{{'3' * 6000}1}}",
        rf"\frac{{{'7' * 6000}}}{{{'3' * 6000}2}}",
        False,
    ),
    "list of polynomials": (joined("(x+{})^2", 0, 300), ", ".join(f"x^2+{2 * i}x+{i * i}" for i in range(300)), None),
    "union": (intervals(300), intervals(300) + r"\cup (2000, 2001)", False),
    "union up to roots": (root_intervals(0, 300), root_intervals(1, 301), False),
    "matrix": (roots_matrix(60), roots_matrix(60, "1"), False),
    "determinants": (r"\det" + roots_matrix(9), r"\det" + roots_matrix(9, "1"), None),
    "chain": (joined("{}", 0, 3000, "<"), joined("{}", 0, 3001, "<"), None),
    "tuple": (f"({joined('pi', 0, 2000)})", f"({joined('pi', 0, 1999)}, 3)", False),
    "system": (joined("x_{0}={0}", 0, 300), joined("x_{0}={0}", 1, 301), False),
    "either of many": ("x=7", joined("x=1", 0, 3000, " or "), False),
}


# What a scanner may stumble over, many times, as an answer to 42.
UNITS = [
    *"()[]{}$|&,;:.=<>!'\"`*_^-+/\\~%#@ \n\t0a", r"\{", r"\}", r"\left(", r"\right)", r"\left\{", r"\langle ",
    r"\sqrt{", r"\sqrt", r"\frac{1}{", r"\frac", r"\frac{", r"\text{", r"\boxed{", r"\boxed{1}", r"\boxed{}",
    r"\fbox", r"\boxed ", r"\overline{", r"\mathrm{", r"\binom{", r"\begin{pmatrix}", r"\end{pmatrix}",
    r"\begin{cases}", r"\\", r"\pm ", r"\cup ", r"\times 10^", r"\sin ", r"\log_", "^{", "_{", "x^", "x_", "2^{",
    r"\not", r"\,", r"\!", "--", "+-", "**", "**1", "|x|", "(1,2),", "km ", "1 km ", "1,", "1,111", "1 ", "1 000",
    "1.", "0.0", "1/", "1e", "1:", "1<", "x=", "x=1 or ", "x=1, ", "1 and ", "one ", "and ", "<answer>", "</answer>",
    "<answer>1</answer>", "<think>", "</think>", "<think></think>", "####", "#### 1\n", "$$", "$1$", r"\(", r"\[",
    r"\(1\)", "answer ", "answer: ", "The answer is ", "The final answer is ", "Answer:\n", "the answer is 1. ",
    "answer is is is ", "we get ", "A or ", "one hundred ", "%s", "{0}", "{0.__class__}", "\u200b", "\u202e",
    "\u0301", "\ufdfa", "\ufeff", "\x00", "\ud800", "\u2075", "\u00bd", "\u221a", "\u2044", "\u4e00", "\u2212",
    "\U0001d7d9",
]  # fmt: skip
BRACKETS = [
    ("(", ")"), ("{", "}"), (r"\{", r"\}"), (r"\left[", r"\right]"), (r"\sqrt{", "}"), (r"\frac{1}{1+", "}"),
    ("x^{", "}"), ("a_{", "}"), (r"\boxed{", "}"), (r"\text{", "}"), (r"\begin{pmatrix}", r"\end{pmatrix}"),
    (r"\sin(", ")"), ("-(", ")"), ("|", "|"), (r"\lfloor ", r"\rfloor"), (r"\overline{", "}"), ("f(", ")"),
    ("(1,", ")"), ("[1,", ")"),
]  # fmt: skip
PAYLOADS = [
    "__import__('pathlib').Path({marker!r}).touch()",
    r"\boxed{{__import__('pathlib').Path({marker!r}).touch()}}",
    r"\text{{__import__('pathlib').Path({marker!r}).touch()}}",
    r"The answer is __import__('pathlib').Path({marker!r}).touch()",
    r"\boxed{{[__import__('pathlib').Path({marker!r}).touch()]}}",
    r"\boxed{{open({marker!r}, 'w')}}",
    r"$\pi + \text{{open}}({marker!r}, 'w')$",
    "exec(\"open({marker!r}, 'w')\")",
    "{{1, __import__('os').system('touch {marker}')}}",
    r"\boxed{{(lambda: open({marker!r}, 'w'))()}}",
    r"\write18{{touch {marker}}}",
    r"\input{{|touch {marker}}}",
    "$(touch {marker})",
    "`touch {marker}`",
]


def hostile_pairs(marker: str) -> dict[str, tuple[str, str, bool | None]]:
    """Every hostile input by its name: reference, response, and whether they are equal."""
    found: dict[str, tuple[str, str, bool | None]] = {}
    for name, (reference, response, is_right) in TWINS.items():
        found[name] = (reference, rf"\boxed{{{response}}}", is_right)
        is_found = reference == response  # what is long and bare need not be taken for an answer
        found[f"{name}, bare"] = (reference, response, is_right if is_found or not is_right else None)
    for name, text in DEAR.items():
        found[name] = ("7", text, False)
        found[f"{name}, boxed"] = ("7", rf"\boxed{{{text}}}", False)
        found[f"{name}, as the reference"] = (text, "7", False)
    for unit in UNITS:
        flood = unit * (MANY // len(unit))
        found[f"many {unit!r}"] = ("42", flood, False)
        found[f"many {unit!r} before an end"] = ("42", flood + "!x", False)
        found[f"some {unit!r}"] = ("42", unit * (3000 // len(unit)), False)
        found[f"some boxed {unit!r}"] = ("42", rf"\boxed{{{unit * (16_000 // len(unit))}}}", False)
    for opening, closing in BRACKETS:
        for depth in (50, 400, 5000):
            found[f"{depth} deep {opening}"] = ("7", opening * depth + "5" + closing * depth, False)
    for number, payload in enumerate(PAYLOADS):
        found[f"payload {number}"] = ("7", payload.format(marker=marker), False)
        found[f"payload {number}, as the reference"] = (payload.format(marker=marker), "7", False)
    return found
