"""The words that generated events, triggers and mappings are made of; events and paths share their keys."""

from __future__ import annotations

from decimal import Decimal

EVENT_NAMES = (
    "api_call",
    "Order Completed",
    "job_done",
    "seat added",
    "Größe",
    "ORDER completed",
    "true",
    "5",
)

KEYS = (
    "n", "s", "f", "b", "e", "arr", "objs", "o", "k", "u", "nul", "amount", "plan", "0", "10", "2",
    "sp ace", "da-sh", "do.t", "under_score", "Case", "case", "js", "long", "", "é", "and",
)  # fmt: skip

STRINGS = (
    "hello world", "Hello World", "a", "abc", "track", "5", "05", "5.0", "1e3", " padded ", "", "true", "false",
    "null", "Größe", "ÉCLAIR éclair", "straße", "ﬁn", "İstanbul", "ΟΔΟΣ", "😀", "a😀b", "\ud800", "\u2028", "a\nb",
    "tab\t", "\x01", '"quoted"', "back\\slash", "{{event}}", "{{{event}}}", "$.event", '{"a":1,"n":12345678901234567890}',
    "[1,2.50,null]", "{bad", "eu-west-1", "*star*", "ab*", "it's", "2024-03-05T06:07:08Z", "K\u212a", "\u017f", "a,b,c",
    "<b>&</b>", "%7E", "\ufeffx", "\u00a0",
)  # fmt: skip

NUMBERS = (
    0, 1, 5, -1, 7, 2**53, 2**53 + 1, 2**63, 2**64 + 1, 12345678901234567890, 10**21, 10**22 + 1, -(10**25),
    0.1, 2.5, -0.0, 1e21, 1e-6, 1e-7, 1.5e300, 123456789.123456789, 1e16, 5e-324, 1.7976931348623157e308,
    Decimal("0.1234567890123456789"), Decimal("100000000000000000000.01"), Decimal("3.14159265358979323846"),
    1709618828, 1709618828123, 8.64e15, 8640000000000001, -62135596800000,
)  # fmt: skip

DATES = (
    "2024-03-05", "2024-03", "2024", "20240305", "2024/03/05 6:7:8", "2024-3-5T6:7", "2024-02-30", "2023-02-29",
    "2024-13-01", "2024-00-10", "2024-01-00", "2024-03-05T24:00:00Z", "2024-03-05T25:00:00Z", "2024-03-05T25:61:61",
    "2024-03-05T06:07:08.9Z", "2024-03-05T06:07:08.123456789Z", "2024-02-30T00:00:00Z", "2024-03-05T06Z",
    "2024-03-05T06:07Z", "2024-03-05Z", "2024-03-05 06:07:08+01:00", "2024-03-05T06:07:08 +01:00",
    "2024-03-05T06:07:08+05", "2024-03-05t06:07:08z", "1709618828", "1709618828123", "1709618828.5", "99", "0", "-1",
    "Infinity", "NaN", "", " ", "yesterday", "2024-03-05T06:07:08Z ", " 2024-03-05", "+002024-03-05T00:00:00Z",
    "-000001-01-01T00:00:00Z", "12024-01-01", "0099-01-01", "0000-01-01", "2024-03-05T06:07:08.5", "2024-03-05\n",
    "2024-03-05T06:07:08.123-23:59", "9999-12-31T23:59:59.999Z", "\u0662\u0660\u0662\u0664-\u0660\u0663-\u0660\u0665", "2024:03:05",
    "2024-03-05T06:07:08,123", "2024-03-05T06:07:08.Z", "2024-01-01T00:00:00-00:00", "8.64e15",
)  # fmt: skip

PATHS = (
    "$.messageId", "$.event", "$.userId", "$.timestamp", "$.context.groupId", "$.properties", "$.context", "$.traits",
    "$.properties.n", "$.properties.s", "$.properties.f", "$.properties.b", "$.properties.e", "$.properties.nul",
    "$.properties.arr", "$.properties.objs", "$.properties.o", "$.properties.o.k", "$.properties.o.n.s",
    "$.properties.arr[0]", "$.properties.arr.1", "$.properties.objs[0].n", "$.properties.objs[0]['s']",
    "$.properties.sp ace", "$.properties['sp ace']", '$.properties["da-sh"]', "$.properties.do.t", "$.properties['do.t']",
    "$.properties.long", "$.properties.u", "$.properties.js", "$.properties.missing", "$.properties.missing.deep",
    "$.properties.s.length", "$.properties.arr.length", "$.properties.s[0]", "$.properties.0", "$.properties[10]",
    "properties.n", "event", "$properties", "$", "$.", "", ".", "$..properties..n.", "$.properties.$.n", " $.event",
    "$.Properties.n", "$.properties.Case", "$.properties[n]", "$.properties.arr[*]", "$.properties.arr[00]",
    "$.properties.arr[-1]", "$.properties.é", "$.context.library.name", "$.traits.plan", "$.properties.amount",
    "$.properties.plan", "$.name", "$.type", "$.anonymousId", "$.properties.''", "$.properties[''].n",
)  # fmt: skip

TEMPLATES = (
    "{{event}}", "{{messageId}}-{{event}}", "x{{properties.n}}y", "{{{properties.s}}}", "{{ properties.s }}",
    "{{$.event}}", "{{}}", "{{ }}", "{{.}}", "{{properties}}", "{{properties.arr}}", "{{properties.objs}}", "{{{x}}",
    "{{properties.long}}", "{{properties.f}}", "{{properties.missing}}!", "plain", "", "{{#if event}}", "{{event}",
    "{{properties['sp ace']}}", "{{properties.b}}/{{properties.nul}}", "{{properties.arr[0]}}", "{{{{event}}}}",
    "{{properties.u}}{{properties.e}}", "{{context.groupId}}:{{properties.amount}}", "{{\nevent\n}}",
)  # fmt: skip

#: Only what both liquid engines are known to render alike.
LIQUID = (
    "{{ event }}", "{{ properties.s }}", "{{ properties.n }}", "[{{ properties.missing.deep }}]", "{{ properties.o }}",
    "{{ properties.s | upcase }}", "{{ properties.s | append: '!' }}", "{{ properties.plan | default: 'none' }}",
    "{% if properties.b %}yes{% else %}no{% endif %}", "{% if properties.e %}yes{% else %}no{% endif %}",
    "{% unless properties.b %}a{% endunless %}", "{% assign x = properties.s | downcase %}{{ x }}",
    "{{ properties.arr | join: '-' }}", "{{ properties.s | size }}", "{{ 'a,b' | split: ',' | first }}",
    "{{ 7 | divided_by: 2 }}", "{{ 1.0 }}", "{{ 3 | plus: 4 | times: 2 }}", "{% for x in properties.arr %}{% endfor %}",
    "{{ properties.objs | map: 'n' }}", "{{ $.event }}", "{{ properties.s", "plain text", "",
    "{% comment %}x{% endcomment %}y", "{% if event == 'api_call' %}api{% endif %}", "{{ properties.s | nosuchfilter }}",
    "{{ properties.f | times: 3 }}", "{{ properties.arr }}", "{{ properties.s | truncate: 5 }}", "{{ properties.n | plus: 1 }}",
    "{{ properties.s | replace: 'l', 'L' }}", "{{ properties.s | slice: 1, 3 }}", "{{ properties.n | default: 'x' }}",
    "{{ properties.o | json }}", "{% if properties.n == 5 %}five{% endif %}", "{% capture c %}{{ event }}{% endcapture %}{{ c }}",
    "{{ properties.arr.size }}", "{{ properties.s.size }}", "{{ properties.arr | first }}", "{{ properties.amount | round: 2 }}",
    "{{ properties.s | escape }}", "{{ properties.s | url_encode }}", "{{ properties.objs[0].n }}", "{{ properties['sp ace'] }}",
    "{{ properties.s | strip | size }}", "{{ properties.n | minus: properties.f | abs }}", "{{ properties.plan | split: 'a' | join: '+' }}",
    "{% if properties.plan contains 'a' %}y{% else %}n{% endif %}", "{{ context.groupId }}", "{{ properties | size }}",
)  # fmt: skip

TRIGGER_FIELDS = (
    "type", "event", "event", "userId", "name", "properties.n", "properties.n", "properties.s", "properties.s",
    "properties.b", "properties.e", "properties.f", "properties.nul", "properties.o.k", "properties.arr",
    "properties.missing", "properties.plan", "properties.amount", "properties.sp\\ ace", "properties.da-sh",
    "properties.Case", "properties.s.length", "properties.do\\.t", "properties . n", "properties", "properties.u",
    "properties.under_score", "context.groupId", "context.library.name", "traits.plan", "traits.n", "messageId",
    "anonymousId", "Type", "event.x", "properties.\\0", "properties.long",
)  # fmt: skip

OPERATORS = (
    "=", "=", "=", "!=", "!=", "<", "<=", ">", ">=", "==", "contains", "not_contains", "starts_with", "=", "exists",
    "is_true", "number_equals", "<>", "",
)  # fmt: skip

TRIGGER_VALUES = (
    '"track"', '"track"', '"page"', '"api_call"', '"Order Completed"', '"hello world"', '"abc"', '"5"', '""', "5",
    "0", "2.5", "-1", "+5", "05", "7", "null", "null", "true", "false", "'track'", '"true"', '"null"', '"*"', '"a*"',
    '"*d"', '"Or*"', '"h*d"', '"o"', '"Größe"', '"😀"', "track", "an", '"a b"', "1000", "9007199254740993", '"eu"',
    "-", "5abc", '"ab\\"', '"it\'s"', "12345678901234567890", '"acct_1"', '"analytics.js"',
)  # fmt: skip

TRIGGER_NOISE = (
    '"', "'", "(", ")", ",", ".", "\\", "!", "=", "<", ">=", " and ", " or ", " ", "\t", "\n", "\r", "[", "]", "-", "+",
    "5", "null", "a", "é", "#", "_", "contains(", "true", "😀", "or", "an",
)  # fmt: skip
