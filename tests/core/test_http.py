"""Which proxy leads to a URL, and whom TLS trusts, by httpx's conventions."""

from __future__ import annotations

import pickle

import pytest

from etl.core.errors import ConfigError
from etl.core.http import Network

METRONOME = "https://api.metronome.com/v1/ingest"
BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, METRONOME, None),
        (BOTH, METRONOME, "http://secure:2"),
        (BOTH, "http://hooks.test/a", "http://plain:1"),
        ({"ALL_PROXY": "http://all:3"}, METRONOME, "http://all:3"),
        (BOTH | {"ALL_PROXY": "http://all:3"}, METRONOME, "http://secure:2"),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, METRONOME, "http://proxy.corp:3128"),
        (BOTH | {"https_proxy": "http://small:4"}, METRONOME, "http://small:4"),
        (BOTH | {"https_proxy": ""}, METRONOME, None),
        (BOTH | {"REQUEST_METHOD": "POST"}, "http://hooks.test/a", None),
        (BOTH, "https://localhost:1/", None),
        (BOTH, "http://127.0.0.2/", None),
        (BOTH, "http://[::1]:1/", None),
    ],
)
def test_the_environment_names_the_proxy(environment: dict[str, str], url: str, proxy: str | None) -> None:
    assert Network.of(environment).proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", METRONOME, True),
        ("metronome.com", METRONOME, True),
        (".metronome.com", METRONOME, True),
        ("*.metronome.com", METRONOME, True),
        (" a.test , API.Metronome.com ", METRONOME, True),
        (".metronome.com", "https://metronome.com/", False),
        ("metronome.com", "https://metronome.com/", True),
        ("tronome.com", METRONOME, False),
        ("api.metronome.com:443", METRONOME, True),
        ("api.metronome.com:8443", METRONOME, False),
        ("https://metronome.com", METRONOME, True),
        ("http://metronome.com", METRONOME, False),
        ("all://metronome.com", METRONOME, True),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("", METRONOME, False),
        (",", METRONOME, False),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_and_networks(no_proxy: str, url: str, direct: bool) -> None:
    assert (Network.of(BOTH | {"NO_PROXY": no_proxy}).proxy_for(url) is None) == direct


def test_what_is_given_is_stronger_than_the_environment() -> None:
    environment = BOTH | {"NO_PROXY": "*", "SSL_CERT_FILE": "a.pem", "SSL_CERT_DIR": "certs"}
    assert Network.of(environment) == Network(
        {"http": "http://plain:1", "https": "http://secure:2"}, ["*"], "a.pem", None
    )
    assert Network.of({"SSL_CERT_DIR": "certs"}).ca_dir == "certs"
    given = Network.of(environment, proxy="http://given:5", ca_file="b.pem")
    assert (given.proxy_for(METRONOME), given.ca_file, given.ca_dir) == ("http://given:5", "b.pem", None)
    assert given.proxy_for("http://127.0.0.1/") is None


def test_passwords_show_nowhere_but_cross_to_another_process() -> None:
    network = Network.of({"HTTPS_PROXY": "http://me:hunter2@proxy:1"})
    assert "hunter2" not in repr(network)
    assert pickle.loads(pickle.dumps(network)) == network
    with pytest.raises(ConfigError) as raised:
        Network.of({"HTTPS_PROXY": "socks5://me:hunter2@proxy:1"}).proxy_for(METRONOME)
    assert "hunter2" not in str(raised.value)
