"""The address guard: an HTTP transport that connects to public addresses only, at every hop of a redirect.

A name is resolved once, every address it has is vetted, and the connection goes to a vetted address: a name that
changes its mind between the check and the connection (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import httpx2

from agentloop_nb.errors import ActionFailed
from agentloop_nb.web.threads import in_thread

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Turns a host and a port into addresses, `["93.184.215.14"]`. Raises OSError when the name is unknown."""

_REFUSED = [
    ipaddress.ip_network(block)
    for block in (
        "168.63.129.16/32",  # Azure's wire server: a public number for a private service
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata service among them; Python versions differ on it
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b::/96",  # NAT64, which leads into whatever IPv4 network is behind it
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "::/96",  # IPv4-compatible
        "fec0::/10",  # site-local
    )
]
_ISATAP = 0x5EFE
_ATTEMPTS = 4
"""Addresses of one host that are tried before giving up."""


class Refused(ActionFailed):
    """The address is one `read_url` does not go to."""


def is_public(address: str) -> bool:
    """Whether an IP address, in its canonical notation, belongs to the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if (int(ip) >> 32) & 0xFCFFFFFF == _ISATAP:
            return False
    refused = any(ip.version == block.version and ip in block for block in _REFUSED)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_link_local or refused)


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host."""
    found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), "agentloop-resolve")
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Refuses what `_vet` refuses, then connects directly, or through the proxy its environment names.

    Through a proxy a name is vetted as far as it resolves here, but the proxy makes the connection.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        resolver: Resolve = resolve,
        proxies: Mapping[str, str] | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allow = frozenset(map(_plain, allow))
        self._resolver = resolver
        self._proxies = proxies or {}
        self._verify = verify
        self._transports: dict[str | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        proxy = self._proxy(request.url)
        transport = self._transport(proxy)
        addresses = await self._vet(request.url, proxied=proxy is not None)
        if proxy is not None:
            return await transport.handle_async_request(request)
        fault: Exception = Refused(f"{request.url.host!r} has no address.")
        for address in addresses[:_ATTEMPTS]:
            try:
                return await transport.handle_async_request(_directed(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                fault = error
        raise fault

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    def _proxy(self, url: httpx2.URL) -> str | None:
        address = self._proxies.get(url.scheme) or self._proxies.get("all")
        if not address or urllib.request.proxy_bypass(url.host):
            return None
        return address if "://" in address else f"http://{address}"

    def _transport(self, proxy: str | None) -> httpx2.AsyncHTTPTransport:
        if proxy not in self._transports:
            # No connection is kept: one made for a name must not serve another name at the same address.
            limits = httpx2.Limits(max_keepalive_connections=0)
            self._transports[proxy] = httpx2.AsyncHTTPTransport(verify=self._verify, proxy=proxy, limits=limits)
        return self._transports[proxy]

    async def _vet(self, url: httpx2.URL, *, proxied: bool) -> Sequence[str]:
        """Return the addresses a URL may be fetched from. Raises `Refused`."""
        _check(url)
        try:
            addresses = await self._resolver(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            if proxied and not _local(url.host):
                return []
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise httpx2.ConnectError(f"the name {url.host!r} does not resolve at the moment") from error
            raise ActionFailed(f"there is no host {url.host!r}, or this machine is offline.") from error
        if _plain(url.host) in self._allow:
            return addresses
        for address in addresses:
            if not is_public(address):
                raise Refused(
                    f"{url.host!r} leads to {address}, which is not a public address. "
                    "The user may allow it with AGENTLOOP_ALLOW_HOSTS."
                )
        return addresses


def _check(url: httpx2.URL) -> None:
    """Look at an address as it is written. Raises `Refused`."""
    if url.scheme not in ("http", "https"):
        raise Refused(f"only http and https addresses can be read, not {url.scheme or 'none'}:.")
    if url.userinfo:
        raise Refused("the address holds a user name or password; read_url sends no credentials.")
    if not url.host:
        raise Refused("the address names no host.")
    if url.port is not None and not 0 < url.port < 2**16:
        raise Refused(f"there is no port {url.port}.")


def _directed(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return the same request to one address: the name stays in the Host header and in the TLS handshake."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


def _local(host: str) -> bool:
    """Names that a proxy would find in its own network: without a dot, or numeric in any notation."""
    name = _plain(host)
    numeric = ":" in name or name.rsplit(".", 1)[-1][:1].isdigit()
    return numeric or "." not in name or name.endswith((".localhost", ".local", ".internal"))
