"""Templates and events for ``@liquid``, made up at random: mostly what people write, then the odd."""

from __future__ import annotations

import random
from typing import Any

_NAMES = (
    "event", "messageId", "userId", "timestamp", "context.groupId", "properties.n", "properties.f", "properties.s",
    "properties.b", "properties.d", "properties.l", "properties.o.k", "properties.items[0].id", "properties.count",
    "properties.region", "properties.missing", "properties.nil_", "properties['a b']", "properties.items",
    "properties.l[0]", "properties.l.first", "properties.l.last", "properties.l.size", "properties.s.size", "properties.o",
    "properties.items[-1].qty", "properties[event]", 'properties["größe"]', "context.traits.email", "properties.user-id",
    "properties.long", "properties.z.deep", "properties.items.first.tags", "properties.o.size", "properties.when",
)  # fmt: skip
_KEYWORDS = ["limit", "offset", "reversed", "for", "with", "as", "and", "or", "not", "true", "false", "nil", "null", "empty", "blank", "contains", "if", "in", "cols", "end", "assign"]  # fmt: skip
_ODD_NAMES = (
    "size", "first", "last", "properties.l.[0]", "properties.", "properties..n", "$.event", "[event]", "[]", "properties[]",
    "properties[0]", "properties.l[1.5]", "properties['l'][1]", "nil", "empty", "blank", "nil.x", "true.x", "'abc'.size",
    "'abc'[1]", "(1..3).size", "(1..3)[1]", "12.5.x", "1.2.3", "-x", "a?", "properties.l[-1]", "properties.l[-9]",
    "properties.s[0]", "properties.s.length", "properties.l.length", "properties.1", "properties.l.0", "é", "properties[nil]",
    "properties[properties.s]", "properties.l['0']", "length", "properties. n", "properties .n", "[ 'event' ]", "(1..n)",
)  # fmt: skip
_LITERALS = (
    "'abc'", '"a,b,c"', "1", "0", "12.5", "-3", "''", "' '", "'Hello World'", "true", "false", "nil", "'2026-11-01'",
    "'2026-11-01T10:00:00Z'", "1793527200", "'1,234.50'", "'<b>x & y</b>'", "'größe'", "'😀 smile'", "(1..3)", "0.1", "100",
    "'it''s'", '"it\'s"', "'12'", "'1e3'", "'{{ x }}'", "'a|b'", "'%}'",
)  # fmt: skip
_ODD_LITERALS = (
    "+1", ".5", "5.", "1..3", "--1", "1e3", "0x10", "'\\n\\u0041\\101\\x'", "'unclosed", '"', "(1..2", "(a..b)", "(1.5..3)",
    "('1'..'3')", "(3..1)", "01", "'\\'", "“q”", "1_000", "@", "#", "'a' 'b'", "(properties.n..5)", "-", "-0", "9007199254740993",
)  # fmt: skip
_FORMATS = (
    "'%Y-%m-%d'", "'%s'", "'%B %-d, %Y'", "'%b %e, %Y %l:%M %p'", "'%H:%M:%S.%L %z'", "'%j %U %W %u %w'", "'%y%m%d'",
    "'%A %a %^a %#B'", "'%c'", "'%x %X'", "'%10Y|%-m|%_d|%010d'", "'%N %3N %6N'", "'%:z %Z'", "'%q %C %P %I %k'", "'%'",
    "'%Q %E %Ey %'", "'%%%t%n'", "''", "'%+5d %-5H %_5M %#p %^5b'", "nil", "5", "'%e %5% %0e'",
)  # fmt: skip
_ZONES = ("60", "-120", "0", "'America/New_York'", "'Asia/Kolkata'", "'UTC'", "'europe/berlin'", "'nope'", "nil", "90.5",
          "properties.missing", "properties.l", "true", "''")  # fmt: skip
#: Each with the kinds of its arguments: t text, n number, v any value, f date format, z zone, k a key.
_USUAL = {
    "upcase": "", "downcase": "", "capitalize": "", "strip": "", "size": "", "append": "t", "prepend": "t", "default": "v",
    "replace": "tt", "remove": "t", "split": "t", "join": "t", "first": "", "last": "", "plus": "n", "minus": "n",
    "times": "n", "divided_by": "n", "modulo": "n", "round": "n", "ceil": "", "floor": "", "abs": "", "date": "f",
    "truncate": "n", "slice": "nn", "escape": "", "url_encode": "", "json": "", "at_least": "n", "at_most": "n",
    "truncatewords": "n", "lstrip": "", "rstrip": "", "replace_first": "tt", "sum": "", "strip_html": "", "to_integer": "",
    "where": "kv", "compact": "", "squish": "",
}  # fmt: skip
_RARE = {
    "remove_first": "t", "remove_last": "t", "replace_last": "tt", "strip_newlines": "", "normalize_whitespace": "",
    "number_of_words": "m", "escape_once": "", "xml_escape": "", "url_decode": "", "cgi_escape": "", "uri_escape": "",
    "slugify": "mb", "base64_encode": "", "base64_decode": "", "sha256": "", "hmac_sha256": "t", "inspect": "", "jsonify": "n",
    "raw": "", "push": "v", "unshift": "v", "pop": "", "shift": "", "date_to_xmlschema": "", "date_to_rfc822": "",
    "date_to_string": "ou", "date_to_long_string": "ou", "sum": "k", "default": "va", "date": "fz", "strip": "t", "lstrip": "t",
    "rstrip": "t", "truncate": "nt", "truncatewords": "nt", "divided_by": "nb", "json": "n", "map": "k", "uniq": "", "sort": "k",
    "reverse": "", "concat": "v", "newline_to_br": "", "nosuchfilter": "v", "limit": "n", "offset": "n", "type": "",
    "find": "kv", "toString": "", "array_to_sentence_string": "", "sample": "0", "append": "", "plus": "",
}  # fmt: skip
_OPERATORS = ("==", "==", "!=", ">", "<", ">=", "<=", "contains")


class Templates:
    """``odd``: how many of ten choices are unusual."""

    def __init__(self, seed: int, odd: float = 1.0) -> None:
        self.random = random.Random(seed)
        self.odd = odd / 10

    def template(self) -> str:
        """One template of at most 1000 characters."""
        made = "".join(self._part(2) for _ in range(self.random.choice((1, 1, 1, 2, 3))))
        if self.random.random() < self.odd / 2:
            made = self._damaged(made)
        return made[:1000]

    def event(self) -> dict[str, Any]:
        """A track event whose properties are of every kind."""
        some = self.random.choice
        properties = {
            "n": some((0, 1, 5, 42, -7, 1e21, 2.5, "7", None)), "f": some((0.1, 45.678, -0.5, 1e-7, 99.995, 1.005)),
            "s": some(("abc", "", "Hello World", "x,y,z", "größe", "😀é", "<i>a & b</i>", "a b  c\n d", "12", "It's", "null")),
            "b": some((True, False, None)), "l": some(([1, 2, 3], [], ["a", "b"], [None, "x"], [[1], [2, [3]]], "str", [5])),
            "o": some(({"k": "v", "z": 1}, {}, {"k": {"size": 9}}, {"size": 3, "k": None}, [1], {"length": 2, "0": "z", "1": "y"})),
            "d": some(("2026-11-01T10:00:00Z", "2026-11-01", "Nov 1, 2026", "x", 1793527200, "1793527200", "0000-01-01T00:00:00Z",
                       "+012026-11-01T00:00:00Z", -62135596801, 253402300800, "2026-02-30", 8.64e12, "now?")),
            "items": some(([{"id": "a", "qty": 2, "tags": ["x"]}, {"id": None, "qty": 1.5}], [], [{"id": 1}], {"id": 2}, None)),
            "count": some((3, "3", "", False, 1e400, [1])), "region": some(("eu", "us-east-1", "EU West", "é")), "a b": 1,
            "user-id": "u-1", "z": some((0, "", False, {"deep": 1})), "größe": 2, "long": "word " * 20, "nil_": None,
            "when": some(("2024-02-29T23:59:59.999Z", "2026-03-08T07:30:00Z", "1969-12-31T23:59:59Z", "1883-11-18T12:00:00Z")),
        }  # fmt: skip
        properties |= {word: some((7, "kw", None, [1, 2])) for word in self.random.sample(_KEYWORDS, 4)}
        event: dict[str, Any] = {
            "type": "track",
            "event": some(("api_call", "Order Completed")),
            "messageId": "m1",
        }
        event |= {
            "timestamp": "2026-11-01T00:00:00Z",
            "userId": some(("u1", 5, None)),
            "properties": properties,
        }
        return event | {"context": {"groupId": some(("g1", 5, "")), "traits": {"email": "a@x.com"}}}

    # ------------------------------------------------------------------------------------------ parts

    def _is_odd(self) -> bool:
        return self.random.random() < self.odd

    def _part(self, depth: int) -> str:
        makers = (
            [self._output] * 6
            + [self._text] * 2
            + [self._assign] * 2
            + [self._if] * 3
            + [self._unless, self._capture]
        )
        makers += [self._special] if self._is_odd() else []
        return self.random.choice(makers if depth else makers[:8])(depth - 1)

    def _text(self, _: int) -> str:
        return self.random.choice(
            ("x", " y ", "\n", " - ", "é", "", "  ", "%", "{", "}", "😀", "Total: ", "\t\u00a0")
        )

    def _mark(self, inside: str, opener: str = "{%", closer: str = "%}") -> str:
        space = self.random.choice((" ", " ", " ", "", "\n", "  "))
        left, right = (self.random.choice(("", "", "", "-")) for _ in "ab")
        return f"{opener}{left}{space}{inside}{space}{right}{closer}"

    def _output(self, _: int) -> str:
        return self._mark(self._filtered(), "{{", "}}")

    def _filtered(self) -> str:
        value = self._condition() if self._is_odd() and self._is_odd() else self._value()
        pipes = "".join(self._filter() for _ in range(self.random.choice((0, 1, 1, 2, 3))))
        return (
            value
            + pipes
            + (
                self.random.choice((" |", ":", ", x", " )", " y", "|| upcase"))
                if self._is_odd() and self._is_odd()
                else ""
            )
        )

    def _value(self) -> str:
        if self._is_odd():
            return self.random.choice(
                (*_ODD_NAMES, *_ODD_LITERALS, *(f"properties.{word}" for word in _KEYWORDS), *_KEYWORDS)
            )
        return self.random.choice(_NAMES if self.random.random() < 0.7 else _LITERALS)

    def _filter(self) -> str:
        table = _RARE if self.random.random() < 0.1 + self.odd else _USUAL
        name, kinds = self.random.choice(list(table.items()))
        given = [self._argument(kind) for kind in kinds]
        while given and self.random.random() < 0.15 and name != "sample":
            given.pop()
        if self._is_odd() and self._is_odd():
            given.append(self.random.choice(("", "x: 1", "1 2", "allow_false: true", self._value())))
        pipe = self.random.choice((" | ", " | ", "|", " |"))
        return f"{pipe}{name}" + (f": {self.random.choice((', ', ', ', ',')).join(given)}" if given else "")

    def _argument(self, kind: str) -> str:
        some = self.random.choice
        if self._is_odd() and kind != "0":
            return self._value()
        usual = {
            "t": ("','", "'-'", "'a'", "' '", "''", "'!'", "properties.s", "'b'", "'é'", "properties.region", "'.'"),
            "n": ("1", "2", "0", "3", "10", "0.5", "-1", "100", "properties.n", "2.5", "'2'", "7", "properties.count"),
            "f": _FORMATS, "z": _ZONES, "k": ("'id'", "'qty'", "'k'", "'tags.size'", "'size'", "'length'", "''", "'a[0]'"),
            "m": ("'auto'", "'cjk'", "'raw'", "'default'", "'pretty'", "'ascii'", "'latin'", "'none'", "nil", "'x'"),
            "b": ("true", "false", "1", "0"), "o": ("'ordinal'", "'x'"), "u": ("'US'", "'x'"), "a": ("allow_false: true",), "0": ("0",),
        }  # fmt: skip
        return some(usual[kind]) if kind in usual else self._value()

    def _condition(self) -> str:
        some = self.random.choice
        words = []
        for _ in range(some((1, 1, 1, 2, 2, 3))):
            term = self._value()
            if self.random.random() < 0.6:
                operator = (
                    some(("<>", "=", "=>", "is", "&&"))
                    if self._is_odd() and self._is_odd()
                    else some(_OPERATORS)
                )
                term += some((f" {operator} ", f" {operator} ", operator)) + self._value()
            words.append("not " + term if self.random.random() < 0.12 else term)
        joints = [some((" and ", " or ")) for _ in words[1:]] + [""]
        return "".join(word + joint for word, joint in zip(words, joints, strict=True))

    # ------------------------------------------------------------------------------------------- tags

    def _inner(self, depth: int) -> str:
        return "".join(self._part(max(depth, 0)) for _ in range(self.random.choice((1, 1, 2))))

    def _if(self, depth: int, name: str = "if") -> str:
        made = self._mark(f"{name} {self._condition()}") + self._inner(depth)
        if self.random.random() < 0.3:
            elsif = "else if" if self._is_odd() else "elsif"
            made += self._mark(f"{elsif} {self._condition()}") + self._inner(depth)
        if self.random.random() < 0.5:
            made += self._mark("else") + self._inner(depth)
        if self._is_odd() and self._is_odd():
            made += self._mark(self.random.choice(("else", "elsif true", "else x"))) + self._inner(depth)
        return made + self._mark(f"end{name}")

    def _unless(self, depth: int) -> str:
        return self._if(depth, "unless")

    def _assign(self, _: int) -> str:
        name = self.random.choice(
            ("v", "v", "total", "properties", "a-b", "size") if self._is_odd() else ("v", "total")
        )
        sign = self.random.choice((" = ", " = ", "="))
        use = self.random.choice(
            (f"{{{{ {name} }}}}", f"{{{{{name}{self._filter()}}}}}", f"[{{{{ {name}.size }}}}]", "")
        )
        return self._mark(f"assign {name}{sign}{self._filtered()}") + use

    def _capture(self, depth: int) -> str:
        name = "'c'" if self._is_odd() else "c"
        return (
            self._mark(f"capture {name}")
            + self._inner(depth)
            + self._mark("endcapture")
            + f"{{{{ c{self._filter()} }}}}"
        )

    def _special(self, depth: int) -> str:
        some, inner, value = self.random.choice, self._inner(depth), self._value()
        return some((
            f"{{% comment %}}{inner}{{% endcomment %}}", f"{{% raw %}}{inner}{{% endraw %}}", "{%- raw -%} {{ a }} {%- endraw -%}",
            f"{{% raw %}}{inner}{{%- endraw %}}", f"{{% cycle {value}, 'b' %}}{{% cycle {value}, 'b' %}}", f"{{% cycle 'g': 1, 0 %}}{inner}",
            f"{{% echo {self._filtered()} %}}", "{% increment i %}{% increment i %}{{ i }}", "{% decrement i %}{{ i | plus: 1 }}",
            f"{{% liquid\nassign a = {self._filtered()}\nif a\necho a\nelse\n echo 'no'\nendif\n%}}", "{% # note %}", "{% # a\nb %}",
            "{% liquid\n# note\necho 'x' | upcase %}", f"{{% block b %}}{inner}{{{{ block }}}}{{% endblock %}}", "{% break %}x",
            f"{{% if true %}}a{{% continue %}}b{{% endif %}}{inner}", "{% for x in (1..3) %}{% endfor %}", "{% case 1 %}{% endcase %}",
            "{% include 'x' %}", "{% render 'x' %}", "{% nosuch %}", "{%%}", "{{}}", "{{ }}", "{%-%}", "{{-}}", "{%}", "{% endif %}",
            "{% assign %}", "{% assign x %}", "{% assign x.y = 1 %}", "{% capture %}{% endcapture %}", "{% if %}{% endif %}",
            "{% raw %}{% endraw", "{{ 'a }}", "{{ a", "{% a", "{% unless true %}{% else %}a{% else %}b{% elsif x %}c{% endunless %}",
            "{% tablerow x in l %}{% endtablerow %}", "{% layout 'x' %}", "{% cycle %}", "{% increment %}", "{% liquid %}",
        ))  # fmt: skip

    def _damaged(self, made: str) -> str:
        """A character more or less somewhere."""
        at = self.random.randrange(len(made) + 1)
        put = self.random.choice(
            (
                "",
                "",
                "-",
                " ",
                "|",
                "'",
                '"',
                "%",
                "{",
                "}",
                ".",
                ":",
                ",",
                "(",
                ")",
                "[",
                "]",
                "x",
                "\n",
                "\\",
            )
        )
        return made[:at] + put + made[at + (not put) :]
