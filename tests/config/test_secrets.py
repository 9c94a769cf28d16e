"""Secrets come from outside the file, may be missing until they are needed, and are never shown."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from etl.core.errors import ConfigError
from tests.config.support import SMALLEST, load, problems

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "mtr_9f8e7d6c5b4a"
PASSWORD = "hunter2-hunter2"

WRITTEN_OUT = (
    "is written out: take it from the environment, ${METRONOME_BEARER_TOKEN}, "
    "or from a file, ${file:/run/secrets/metronome}"
)
HAS_PASSWORD = "has a password in it: take it from the environment, as in ${DATABASE_URL}"


def token(written: str) -> str:
    return SMALLEST.replace("sandbox}", f"sandbox, api_token: '{written}'}}")


def state(url: str) -> str:
    return SMALLEST + f"state: {{url: '{url}'}}\n"


def warehouse(url: str) -> str:
    source = f"{{type: warehouse, url: '{url}', schema: a, tables: b}}"
    return SMALLEST.replace("{type: parquet, path: exports}", source)


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        f"${{METRONOME_BEARER_TOKEN:-{TOKEN}}}",
        f"${{METRONOME_BEARER_TOKEN}}{TOKEN}",
        f"Bearer {TOKEN}",
        "12345",
    ],
)
def test_a_token_written_out_is_refused(written: str) -> None:
    """As a whole, as a default, or as a part; the message does not repeat it."""
    assert problems(token(written), {"METRONOME_BEARER_TOKEN": "x"}) == [
        f"5: destination.api_token {WRITTEN_OUT}"
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://etl:{PASSWORD}@db/etl",
        f"postgresql+psycopg://etl:${{PW:-{PASSWORD}}}@db/etl",
        f"${{DATABASE_URL:-postgresql+psycopg://etl:{PASSWORD}@db/etl}}",
        f"postgresql+psycopg://db/etl?user=etl&password={PASSWORD}",
        f"postgresql+psycopg://db/etl?sslpassword={PASSWORD}",
    ],
)
def test_a_password_written_out_in_a_url_is_refused(url: str) -> None:
    """In the state's URL, the warehouse's, or an object store's; the message does not repeat it."""
    assert problems(state(url)) == [f"6: state.url {HAS_PASSWORD}"]
    assert problems(warehouse(url)) == [f"2: source.url {HAS_PASSWORD}"]
    assert problems(SMALLEST.replace("exports", f"'{url}'")) == [f"2: source.path {HAS_PASSWORD}"]


def test_a_password_in_its_place_of_a_url_may_come_from_the_environment() -> None:
    """The rest of the URL is no secret."""
    config = load(state("postgresql+psycopg://etl:${PW}@db/etl"), {"PW": PASSWORD})
    assert config.state_url() == f"postgresql+psycopg://etl:{PASSWORD}@db/etl"


def proxied(proxy: str) -> str:
    return SMALLEST.replace("sandbox}", f"sandbox, proxy: '{proxy}'}}")


@pytest.mark.parametrize(
    "written", [f"http://etl:{PASSWORD}@proxy:1", f"${{P:-http://etl:{PASSWORD}@proxy:1}}"]
)
def test_a_proxy_s_password_written_out_is_refused(written: str) -> None:
    """The message does not repeat it."""
    assert problems(proxied(written)) == [f"5: destination.proxy {HAS_PASSWORD}"]


def test_a_proxy_comes_from_the_environment_and_is_not_shown() -> None:
    """As a whole or in part; one that is no URL is not shown either; what is not at hand is asked for when needed."""
    url = f"http://etl:{PASSWORD}@proxy:1"
    for written, env in (("${P}", {"P": url}), ("http://etl:${PW}@proxy:1", {"PW": PASSWORD})):
        config = load(proxied(written), env)
        assert config.proxy() == url
        assert PASSWORD not in repr(config) + str(config.model_dump())
    assert load(proxied("http://proxy:1")).proxy() == "http://proxy:1"
    assert load(SMALLEST).proxy() is None
    (problem,) = problems(proxied("${P}"), {"P": f"socks5://etl:{PASSWORD}@proxy:1"})
    assert problem == "5: destination.proxy should be an http:// or https:// URL"
    with pytest.raises(
        ConfigError, match=r"destination\.proxy needs the environment variable P, which is not set"
    ):
        load(proxied("${P}")).proxy()


def test_a_token_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """A file's last line break is no part of it; no key at all means the usual variable."""
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    path = str(tmp_path / "prod.yml")
    assert load(token("${T}"), {"T": TOKEN}).require_token() == TOKEN
    assert load(token("${file:secret}"), path=path).require_token() == TOKEN
    assert load(token(f"${{file:{tmp_path}/secret}}")).require_token() == TOKEN
    assert load(SMALLEST, {"METRONOME_BEARER_TOKEN": TOKEN}).require_token() == TOKEN


@pytest.mark.parametrize(
    ("text", "env", "problem"),
    [
        (
            token("${T}"),
            {},
            "5: destination.api_token needs the environment variable T, which is not set",
        ),
        (token("${T}"), {"T": ""}, "5: destination.api_token is empty: ${T} gives nothing"),
        (
            SMALLEST,
            {},
            "5: destination.api_token needs the environment variable METRONOME_BEARER_TOKEN, which is not set",
        ),
        (
            token("${file:/nowhere/secret}"),
            {},
            "5: destination.api_token needs the file /nowhere/secret, which cannot be read: No such file or directory",
        ),
        (
            token("${T}"),
            {"T": f"Bearer {TOKEN}"},
            '5: destination.api_token is not a token: it has blanks or line breaks in it (give it without "Bearer ")',
        ),
    ],
)
def test_a_missing_token_stops_only_what_needs_it(text: str, env: dict[str, str], problem: str) -> None:
    """The config loads; asking for the token says what is wrong with it."""
    config = load(text, env)
    assert config.destination.api_token is None
    with pytest.raises(ConfigError) as caught:
        config.require_token()
    assert str(caught.value) == f"/etc/etl/prod.yml:{problem}"


def test_missing_urls_stop_only_what_needs_them() -> None:
    """The warehouse's and the state's."""
    config = load(warehouse("${WAREHOUSE_URL}") + "state: {url: '${STATE_URL}'}\n")
    with pytest.raises(
        ConfigError, match=r":2: source\.url needs the environment variable WAREHOUSE_URL, which"
    ):
        config.source_url()
    with pytest.raises(
        ConfigError, match=r":6: state\.url needs the environment variable STATE_URL, which is not"
    ):
        config.state_url()


def test_an_empty_secret_in_the_file_is_a_mistake() -> None:
    """Nothing will ever fill it in."""
    assert problems(token("")) == ["5: destination.api_token is empty"]
    assert problems(SMALLEST + "state: {url: ''}") == ["6: state.url is empty"]


def test_secrets_are_shown_nowhere() -> None:
    """Not by repr, str or dumps of a config, nor by the text or the traceback of its errors."""
    env = {"T": TOKEN, "URL": f"postgresql+psycopg://etl:{PASSWORD}@db/etl"}
    text = token("${T}") + "state: {url: '${URL}'}\n"
    config = load(text, env)
    shown = [
        repr(config),
        str(config),
        str(config.model_dump()),
        config.model_dump_json(),
        repr(config.__dict__),
    ]
    bad = text.replace("account: sandbox", "acount: sandbox").replace(
        "{url: '${URL}'}", "{url: '${URL}x y', a: 1}"
    )
    for wrong in (bad, bad.replace("postgresql+", ""), state(f"mysql://u:{PASSWORD}@h/d"), f"a: [{TOKEN}\n&"):
        with pytest.raises(ConfigError) as caught:
            load(wrong, env)
        assert caught.value.__context__ is None
        shown += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
    assert not [one for one in shown if TOKEN in one or PASSWORD in one]


def test_messages_show_what_is_written_not_what_it_stands_for() -> None:
    """Whatever comes from the environment may be a secret."""
    text = SMALLEST.replace("sandbox}", "sandbox, gzip: '${GZIP}'}")
    assert problems(text, {"GZIP": TOKEN}) == [
        '5: destination.gzip should be true or false, but is "${GZIP}"'
    ]
