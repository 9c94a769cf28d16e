"""HTTP as companies have it: which proxy leads to a URL, whom TLS trusts, and the clients that keep to it.

The conventions are httpx's, documented under "Environment Variables": ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``,
``NO_PROXY``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``. The environment is passed in: nothing here, and none of the clients,
reads it. A loopback address never leaves the machine, so no proxy is asked for it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Network:
    """The way out. Plain data, for another process too; the proxies, which may hold passwords, show nowhere.

    ``proxies``: URL by scheme (``http``, ``https``, ``all``). ``no_proxy``: the entries of ``NO_PROXY``. ``ca_file``,
    ``ca_dir``: PEM certificates of the authorities to trust; neither: the public ones.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: Sequence[str] = ()
    ca_file: str | None = None
    ca_dir: str | None = None

    @classmethod
    def of(
        cls, environment: Mapping[str, str], *, proxy: str | None = None, ca_file: str | None = None
    ) -> Network:
        """What the environment asks for; ``proxy`` and ``ca_file`` are stronger than it."""
        trusted = (ca_file, None) if ca_file else _trusted(environment)
        if proxy is not None:
            return cls({"all": proxy}, (), *trusted)
        named = {scheme: _variable(environment, f"{scheme}_proxy") for scheme in ("http", "https", "all")}
        # A web server hands every "Proxy:" header of a request to CGI programs as HTTP_PROXY.
        if "REQUEST_METHOD" in environment:
            named["http"] = environment.get("http_proxy", "")
        exempt = [entry.strip() for entry in _variable(environment, "no_proxy").split(",")]
        return cls({scheme: url for scheme, url in named.items() if url}, [e for e in exempt if e], *trusted)

    def proxy_for(self, url: str) -> str | None:
        """The proxy that leads to ``url``; None: straight there.

        Raises:
            ConfigError: the proxy is none that HTTP goes through.
        """
        to = urlsplit(url)
        proxy = self.proxies.get(to.scheme) or self.proxies.get("all")
        if not proxy or is_loopback(to.hostname or "") or any(_exempts(entry, to) for entry in self.no_proxy):
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if not is_proxy(proxy):
            raise ConfigError(
                f"the proxy for {to.scheme}://{to.hostname} is not an http:// or https:// URL: look at "
                "destination.proxy, HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
            )
        return proxy

    def check(self, url: str) -> None:
        """Raises ``ConfigError`` where requests to ``url`` could not even begin."""
        self.proxy_for(url)
        if urlsplit(url).scheme == "https" and (self.ca_file or self.ca_dir):
            self.tls()

    def tls(self) -> ssl.SSLContext:
        """Whom to trust.

        Raises:
            ConfigError: the certificates cannot be read.
        """
        if not self.ca_file and not self.ca_dir:
            import httpx

            return httpx.create_ssl_context(trust_env=False)
        try:
            return ssl.create_default_context(cafile=self.ca_file, capath=self.ca_dir)
        except OSError as error:
            raise ConfigError(
                f"the certificates in {self.ca_file or self.ca_dir} cannot be read ({error.strerror or 'no PEM'}): look "
                "at destination.ca_file, SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None

    def client(self, url: str, timeout: float) -> httpx.Client:
        """For few requests to ``url``; redirects are not followed. Raises as ``proxy_for`` and ``tls`` do."""
        import httpx

        verify = self.tls() if urlsplit(url).scheme == "https" else _no_tls()
        return httpx.Client(proxy=self.proxy_for(url), verify=verify, timeout=timeout, trust_env=False)

    def transport(self, url: str, headers: Mapping[str, str], connections: int) -> httpx.AsyncBaseTransport:
        """For many requests to ``url`` at once: httpx's interface over aiohttp, without what a client adds.

        ``headers`` are those of every request. It keeps no cookies, follows no redirects, undoes no compression, and raises aiohttp's errors, which say more
        than httpx's. Raises as ``client`` does.
        """
        from etl.core.http_transport import AiohttpTransport

        # Loading the authorities takes a tenth of a second.
        verify = self.tls() if urlsplit(url).scheme == "https" else _no_tls()
        return AiohttpTransport(verify, self.proxy_for(url), headers, connections)


def is_loopback(host: str) -> bool:
    """Whether requests to the host stay on this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_proxy(url: str) -> bool:
    """Whether HTTP can go through it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _PORTS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _variable(environment: Mapping[str, str], name: str) -> str:
    """Of the two spellings the one in small letters is stronger, even if it is empty."""
    return environment.get(name, environment.get(name.upper(), ""))


def _trusted(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    file = environment.get("SSL_CERT_FILE") or None
    return file, None if file else environment.get("SSL_CERT_DIR") or None


def _exempts(entry: str, url: SplitResult) -> bool:
    """Whether an entry of ``NO_PROXY`` names the host of ``url``.

    ``*``; a domain, which includes those below it; ``.domain``: only those below it; an address or a network; a port may
    follow, a scheme come before.
    """
    scheme, _, name = entry.lower().rpartition("://")
    host = (url.hostname or "").lower()
    if scheme not in ("", "all", url.scheme):
        return False
    try:
        return ip_address(host) in ip_network(name.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, port = name.partition(":")
    if port and port != str(url.port or _PORTS.get(url.scheme)):
        return False
    return name in ("*", host) or host.endswith("." + name.lstrip("*").lstrip("."))
