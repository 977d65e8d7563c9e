"""Which addresses the product may connect to: those of the public Internet, however they are written."""

import ipaddress
import re
from dataclasses import dataclass

import httpx

from surefoot.core.errors import OutboundRefused

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

ALLOWED_PORTS = frozenset({80, 443, 8080, 8443})

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
# Special-purpose ranges of the IANA registries, written out because Python's is_global differs between versions.
_REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"),
    )
)
# The interface identifier of ISATAP (RFC 5214) carries an IPv4 address in its last 32 bits.
_ISATAP_MARKS = frozenset({0x00005EFE, 0x02005EFE})

_MAX_URL_CHARACTERS = 2_048
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\Z")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an acceptable URL points. `host` is ASCII, without brackets and trailing dot."""

    url: httpx.URL
    host: str
    port: int


def target_of(text: str) -> Target:
    """The URL taken apart by the very parser that will connect to it.

    Raises OutboundRefused for anything but http and https, for credentials in the URL, for characters that parsers take
    differently, and for numbers that are an IP address in another than its plain spelling.
    """
    if len(text) > _MAX_URL_CHARACTERS or not text.isprintable() or any(bad in text for bad in (" ", "\\")):
        raise OutboundRefused("The URL holds spaces, backslashes or control characters, or is too long; write it plainly.")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
        port = {"http": 80, "https": 443}.get(url.scheme, 0) if url.port is None else url.port
    except (httpx.InvalidURL, ValueError):
        raise OutboundRefused("The URL cannot be understood; write it as https://host/path.") from None
    if url.scheme not in ("http", "https"):
        raise OutboundRefused("Only http and https URLs are fetched.")
    if port == 0:
        raise OutboundRefused("Port 0 is no port; leave it out or name the real one.")
    if url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:
        raise OutboundRefused("The URL names a user before the host; leave that out.")
    host = host.strip("[]").removesuffix(".")
    if ":" not in host:
        if _HOST_NAME.match(host) is None or ".." in host:
            raise OutboundRefused("The URL has no host that could be looked up.")
        if _ENDS_IN_NUMBER.match(host) is not None and _plain_ipv4(host) is None:
            raise OutboundRefused("The host is an IP address in an unusual spelling; write it plainly.")
    return Target(url, host, port)


def literal_address(host: str) -> IpAddress | None:
    """The address when the host is one, else None. Raises OutboundRefused for IPv6 text that is none, zone ids included."""
    if ":" not in host:
        return _plain_ipv4(host)
    try:
        if "%" not in host:
            return ipaddress.IPv6Address(host)
    except ValueError:
        pass
    raise OutboundRefused("The host is not a plain IPv6 address; zone ids are not accepted.")


def is_public(address: IpAddress) -> bool:
    """Whether the address belongs to the public Internet; one that carries an IPv4 address is judged by that one too.

    IPv6 must be global unicast (2000::/3) or NAT64's well-known prefix, so that every unassigned or translated form is
    refused without being named.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST or address.scope_id is not None:
            return False
        if address in _SIX_TO_FOUR and not is_public(ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF)):
            return False
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
            return False
    if any(address in network for network in _REFUSED_NETWORKS if network.version == address.version):
        return False
    is_special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    return address.is_global and not (is_special or address.is_reserved or address.is_unspecified)


def _plain_ipv4(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None
