"""`read_url` goes to public addresses only: at every hop, in every notation, however a name resolves."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
import trustme

from agentloop_nb.errors import ActionFailed
from agentloop_nb.settings import Settings
from agentloop_nb.web import LiveWeb
from agentloop_nb.web.guard import is_public
from tests.safety.conftest import Names, Site

PRIVATE = [
    # loopback, this host, private, link-local
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.1.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1",
    # metadata services
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254",
    "fd20:ce::254",
    # shared, reserved, documentation, benchmark, multicast, broadcast
    "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1", "2001:db8::1", "100::1",
    "192.88.99.1",
    # one protocol inside another
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::127.0.0.1", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:808:808::1",
    "2001:0:53aa:64c::1", "2001:470::5efe:7f00:1", "2a00::200:5efe:10.0.0.1",
    # no addresses at all
    "", "localhost", "1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "1.2.3.4.5", "١٢٧.0.0.1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
]

ODD = [
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://0/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://0177.0.0.1/", "http://017700000001/", "http://2130706433/", "http://127.000.000.001/", "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1%25lo]/", "http://127。0。0。1/",
    "http://127.0.0.1./",
    "http://①②⑦.⓪.⓪.①/", "http://１２７.０.０.１/", "http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/",
    "http://100.64.0.1/",
    "http://10.0.0.1:8080/", "HTTP://127.0.0.1/", "http://localtest/", "http://LOCALTEST/", "http://localtest./",
    "http://mixed/", "http://mapped/", "http://metadata.google.internal/", "http://wide/", "http://user@93.184.215.14/",
    "http://user:password@93.184.215.14/", "http://93.184.215.14@127.0.0.1/", "http://127.0.0.1\\@93.184.215.14/",
    "http://93.184.215.14:80@10.0.0.1/", "http:///etc/passwd", "http://", "https://", "//127.0.0.1/", "127.0.0.1",
    "localhost:8888",
    "file:///etc/passwd", "file://localhost/etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/_x",
    "data:text/html,hello",
    "javascript:alert(1)", "jar:http://x!/", "dict://127.0.0.1:11211/stat", "ws://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "ldap://127.0.0.1", "http://127.0.0.1%00.example.org/",
    "http://%31%32%37.0.0.1/",
    "http://[127.0.0.1]/", "http://[::1/", "http://127.0.0.1:99999/", "http://ex ample.org/",
    "http://example.org\r\nHost: x/", " http://10.0.0.1/ ",
]  # fmt: skip


def names() -> Names:
    return Names(
        localtest=["127.0.0.1"],
        LOCALTEST=["127.0.0.1"],
        mixed=["93.184.215.14", "10.0.0.1"],
        mapped=["::ffff:192.168.0.1"],
        wide=["2606:4700::1111", "fd00::1"],
        **{"localtest.": ["127.0.0.1"], "metadata_google_internal": ["169.254.169.254"]},
    )


def test_the_corpus_is_large_enough() -> None:
    assert len(set(PRIVATE)) + len(set(ODD)) >= 60


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_told(address: str) -> None:
    assert is_public(address)


class Connections:
    """Counts what reaches the network: nothing may, except in a test that wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, int]] = []
        import anyio

        connect = anyio.connect_tcp

        async def noted(remote_host: str, remote_port: int, **options: Any) -> object:
            self.made.append((remote_host, remote_port))
            return await connect(remote_host, remote_port, **options)

        monkeypatch.setattr(anyio, "connect_tcp", noted)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    return Connections(monkeypatch)


@pytest.mark.parametrize("url", ODD, ids=ascii)
async def test_an_odd_address_is_refused_before_anything_connects(url: str, connections: Connections) -> None:
    web = LiveWeb(Settings(max_retries=0), resolver=names())
    with pytest.raises(ActionFailed) as refusal:
        await web.read(url, 1000)
    assert "\n" not in str(refusal.value)
    assert connections.made == []


HOPS = [url for url in ODD if re.match(r"\w[\w+]*://[^/]", url) and url.isascii() and "\r" not in url]
"""What a Location header can hold; one without a host means the same host."""


@pytest.mark.parametrize("url", HOPS)
async def test_a_redirect_to_an_odd_address_is_refused(url: str, site: Site, connections: Connections) -> None:
    """The first hop is allowed by name; the second is judged like a first one."""
    site.redirect("/start", url)
    web = LiveWeb(
        Settings(max_retries=0, allow_hosts=("start.example",)),
        resolver=Names(start_example=["127.0.0.1"], **names().names),
    )
    with pytest.raises(ActionFailed):
        await web.read(f"http://start.example:{site.port}/start", 1000)
    assert connections.made == [("127.0.0.1", site.port)]
    assert len(site.requests) == 1


async def test_a_name_that_changes_its_mind_gains_nothing(site: Site, connections: Connections) -> None:
    """DNS rebinding: the second answer would be private, but nobody asks a second time."""
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])

    async def resolver(host: str, port: int) -> Sequence[str]:
        return next(answers)

    site.page("/", "secret")
    web = LiveWeb(Settings(max_retries=0), resolver=resolver)
    task = asyncio.create_task(web.read(f"http://rebind.example:{site.port}/", 1000))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
    assert connections.made == [("93.184.215.14", site.port)]
    assert site.requests == []


async def test_every_hop_is_vetted_until_the_last(site: Site) -> None:
    for number in range(4):
        site.redirect(f"/{number}", f"/{number + 1}")
    site.redirect("/4", f"http://inside.example:{site.port}/secret")
    site.page("/secret", "secret")
    resolver = Names(start_example=["127.0.0.1"], inside_example=["127.0.0.1"])
    web = LiveWeb(Settings(max_retries=0, allow_hosts=("start.example",)), resolver=resolver)
    with pytest.raises(ActionFailed, match="not a public address"):
        await web.read(f"http://start.example:{site.port}/0", 1000)
    assert not any(b"/secret" in request for request in site.requests)


async def test_a_host_the_user_allows_is_read_by_its_name(site: Site) -> None:
    site.page("/", "<html><body><article><p>The intranet says hello to everybody.</p></article></body></html>")
    web = LiveWeb(Settings(allow_hosts=("wiki.corp",)), resolver=Names(wiki_corp=["127.0.0.1"]))
    page = await web.read(f"http://wiki.corp:{site.port}/", 1000)
    assert "says hello" in page.text
    assert f"Host: wiki.corp:{site.port}".encode() in site.requests[0]


async def test_the_next_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    site.page("/", "plain", media="text/plain")
    web = LiveWeb(Settings(allow_hosts=("two.example",)), resolver=Names(two_example=["127.0.0.2", "127.0.0.1"]))
    assert (await web.read(f"http://two.example:{site.port}/", 1000)).text == "plain"


async def test_the_certificate_must_be_for_the_name_although_the_address_is_connected_to(site: Site) -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("named.example").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    site.page("/", "plain", media="text/plain")
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    resolver = Names(named_example=["127.0.0.1"], other_example=["127.0.0.1"])
    web = LiveWeb(
        Settings(max_retries=0, allow_hosts=("named.example", "other.example")), resolver=resolver, verify=client_side
    )
    assert (await web.read(f"https://named.example:{port}/", 1000)).text == "plain"
    with pytest.raises(ActionFailed, match="certificate"):
        await web.read(f"https://other.example:{port}/", 1000)
    server.close()


async def test_a_proxy_is_used_when_the_environment_names_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nproxied")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "direct.example")
    site.page("/", "direct", media="text/plain")
    resolver = Names(public_example=["93.184.215.14"], private_example=["10.0.0.1"], direct_example=["127.0.0.1"])
    web = LiveWeb(Settings(max_retries=0, allow_hosts=("direct.example",)), resolver=resolver)
    assert (await web.read("http://public.example/", 1000)).text == "proxied"
    assert (await web.read("http://only.the.proxy.knows/", 1000)).text == "proxied"
    assert (await web.read(f"http://direct.example:{site.port}/", 1000)).text == "direct"
    for url in (
        "http://private.example/",
        "http://localhost/",
        "http://0x7f.1/",
        "http://intranet/",
        "http://x.internal/",
    ):
        with pytest.raises(ActionFailed):
            await web.read(url, 1000)
    assert seen == [b"GET http://public.example/ HTTP/1.1", b"GET http://only.the.proxy.knows/ HTTP/1.1"]
    server.close()
