"""Companies' networks, through the command: a forwarding proxy with a password, and an authority of their own."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.metronome.server import OK, Received, Reply, Server, refusal
from tests.support.proxy import PASSWORD, Proxy
from tests.support.receiver import receiver
from tests.support.workspace import Workspace, track

TOKEN = "mtr-S3cr3tT0ken-77aa"
#: Nothing listens there.
DEAD = "http://etl:dead-Pa55@127.0.0.1:9"
NAME = "metronome.test"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine that tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def answer(request: Received) -> Reply:
    if request.headers["authorization"] != f"Bearer {TOKEN}":
        return refusal(401, "Unauthorized")
    return OK if request.events else refusal(400, "Request body must hold 1 to 100 events")


@pytest.fixture
def metronome(authority: trustme.CA) -> Iterator[Server]:
    """One that only the proxy can reach, under a certificate of the company's authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(tls)
    with Server(answer, tls=tls) as server:
        yield server


@pytest.fixture
def proxy(metronome: Server) -> Iterator[Proxy]:
    with Proxy({NAME: metronome.port}) as proxy:
        yield proxy


@pytest.fixture
def company(workspace: Workspace, authority: trustme.CA) -> Workspace:
    """A workspace there; ``ca.pem`` lies beside the config."""
    authority.cert_pem.write_to_path(workspace.path / "ca.pem")
    workspace.env["METRONOME_BEARER_TOKEN"] = TOKEN
    workspace.write([track("m1"), track("m2"), track("lost", context={})])
    workspace.config(destination={"base_url": f"https://{NAME}", "retry_for": "1s"})
    return workspace


def kept(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command; what it printed stays in the workspace."""
    ran = workspace.cli(*arguments)
    (workspace.path / f"{arguments[0]}.out").write_text(ran.stdout)
    (workspace.path / f"{arguments[0]}.err").write_text(ran.stderr)
    return ran


def places_of(secret: str, folder: Path) -> list[str]:
    """Files that hold it."""
    return [p.name for p in folder.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


def test_events_get_through_and_the_secrets_stay_nowhere(company: Workspace, proxy: Proxy) -> None:
    """By HTTPS_PROXY and SSL_CERT_FILE; searched are the state, logs, the report and all that was printed."""
    company.env |= {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(company.path / "ca.pem"), "ETL_DEBUG": "1"}
    assert kept(company, "check", "-c", "etl.yml", "--online").returncode in (0, 1)
    ran = kept(company, "run", "-c", "etl.yml", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["sent"]) == (1, 2), ran.stderr
    assert set(proxy.asked) == {f"CONNECT {NAME}:443 HTTP/1.1"}
    assert kept(company, "report", "-c", "etl.yml", "--out", "report.html").returncode == 0
    kept(company, "dead-letters", "export", "-c", "etl.yml")
    assert [places_of(secret, company.path) for secret in (TOKEN, PASSWORD)] == [[], []]


def test_the_config_is_stronger_than_the_environment(company: Workspace, proxy: Proxy) -> None:
    company.env |= {"HTTPS_PROXY": DEAD, "NO_PROXY": "*", "SSL_CERT_FILE": "/no/such.pem", "VIA": proxy.url}
    destination = {"base_url": f"https://{NAME}", "proxy": "${VIA}", "ca_file": "ca.pem"}
    company.config(destination=destination)
    assert kept(company, "check", "-c", "etl.yml", "--online").returncode in (0, 1)
    ran = kept(company, "run", "-c", "etl.yml", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["sent"]) == (1, 2), ran.stderr
    assert [places_of(secret, company.path) for secret in (TOKEN, PASSWORD)] == [[], []]


@pytest.mark.parametrize(("command", "code"), [(("run",), 3), (("check", "--online"), 2)])
def test_a_proxy_that_refuses_the_password_stops_at_once(
    company: Workspace, proxy: Proxy, command: tuple[str, ...], code: int
) -> None:
    wrong = proxy.url.replace(PASSWORD, "wr0ng-Pa55")
    company.env |= {"HTTPS_PROXY": wrong, "SSL_CERT_FILE": str(company.path / "ca.pem")}
    ran = kept(company, *command, "-c", "etl.yml")
    assert ran.returncode == code
    assert f"The proxy in front of Metronome at {NAME} wants a name and a password" in ran.stdout + ran.stderr
    assert (proxy.asked, proxy.refused) == ([], 1)
    assert [places_of(secret, company.path) for secret in (TOKEN, "wr0ng-Pa55")] == [[], []]


def test_a_proxy_that_cannot_be_reached_is_tried_until_retry_for_ends(company: Workspace) -> None:
    company.env |= {"HTTPS_PROXY": DEAD}
    ran = kept(company, "run", "-c", "etl.yml")
    assert ran.returncode == 3
    assert "the last ended with: the proxy cannot be reached (" in ran.stderr
    assert places_of("dead-Pa55", company.path) == []


def test_without_the_company_s_authority_no_token_is_sent(
    company: Workspace, proxy: Proxy, metronome: Server
) -> None:
    company.env |= {"HTTPS_PROXY": proxy.url}
    ran = kept(company, "run", "-c", "etl.yml")
    assert (ran.returncode, metronome.received) == (3, [])
    assert "TLS failed: the certificate is not trusted" in ran.stderr


@pytest.mark.parametrize(
    ("variables", "destination", "problem"),
    [
        ({"SSL_CERT_FILE": "/no/such.pem"}, {}, "the certificates in /no/such.pem cannot be read"),
        ({}, {"ca_file": "etl.yml"}, "etl.yml cannot be read"),
        (
            {"ALL_PROXY": f"socks5://etl:{PASSWORD}@127.0.0.1:9"},
            {},
            "is not an http:// or https:// URL: look at",
        ),
        ({}, {"proxy": "${VIA}"}, "destination.proxy needs the environment variable VIA"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    company: Workspace, variables: dict[str, str], destination: dict[str, str], problem: str
) -> None:
    company.env |= variables
    company.config(destination={"base_url": f"https://{NAME}", **destination})
    ran = kept(company, "run", "-c", "etl.yml")
    assert (ran.returncode, problem in ran.stderr) == (2, True), ran.stderr
    assert places_of(PASSWORD, company.path) == []


def test_loopback_is_never_behind_a_proxy(workspace: Workspace) -> None:
    workspace.write([track("m1")])
    workspace.config()
    workspace.env |= {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "ALL_PROXY": DEAD, "NO_PROXY": ""}
    ran = workspace.cli("run", "-c", "etl.yml")
    assert (ran.returncode, workspace.standin.ids()) == (0, ["m1"]), ran.stderr


def test_the_demo_needs_no_proxy(workspace: Workspace) -> None:
    workspace.env |= {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "NO_PROXY": ""}
    ran = workspace.cli("demo", timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert "dead-Pa55" not in ran.stdout + ran.stderr


def test_webhooks_go_through_the_proxy_plain_and_by_tls(company: Workspace, authority: trustme.CA) -> None:
    """A run that cannot read its source is reported there."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.test").configure_cert(tls)
    company.env["SSL_CERT_FILE"] = str(company.path / "ca.pem")
    with receiver() as (url, received), Server(lambda _: OK, tls=tls) as server:
        routes = {"plain.test": int(url.rpartition(":")[2]), "hooks.test": server.port}
        with Proxy(routes) as proxy:
            company.env |= {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
            for hook in ("http://plain.test/hook", "https://hooks.test/hook"):
                company.config(source={"path": "nowhere/"}, notify={"webhook": hook})
                assert kept(company, "run", "-c", "etl.yml").returncode == 3
    assert proxy.asked == ["POST http://plain.test/hook HTTP/1.1", "CONNECT hooks.test:443 HTTP/1.1"]
    assert [json.loads(body)["happening"] for _, body in received] == ["failure"]
    assert json.loads(server.received[0].body)["happening"] == "failure"
    assert places_of(PASSWORD, company.path) == []
