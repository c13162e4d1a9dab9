"""Protection against server-side request forgery: which URLs of an untrusted item may be read.

Others write the items of a remote catalog, and this program reads them inside a private network. The hrefs of an item
must not reach hosts that only this machine can reach. Host names are checked as written, without a DNS lookup: a public
name that resolves to a private address is not refused.

IPv4 addresses are read in all spellings of the C library's `inet_aton`, which `requests` and GDAL's curl use: one to
four parts, each decimal, octal (0...) or hexadecimal (0x...).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_METADATA = tuple(
    ipaddress.ip_network(n)
    for n in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "168.63.129.16/32", "100.100.100.200/32")
)
"""Link-local addresses, where cloud providers serve the machine's credentials, and those elsewhere: of AWS (IPv6), of
Azure's agent (WireServer), and of Alibaba."""
_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
_PRIVATE_DOMAINS = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain", "svc")
"""Domains, with their subdomains, that exist only in private networks (RFC 6761, 6762, 8375; ICANN's `.internal`;
Kubernetes' services)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_url_allowed(url: str, origin: str | None) -> str | None:
    """Return why a URL must not be read, or None if it is allowed.

    Hosts that serve a machine's credentials are never allowed. If the item is a local file, other hosts are allowed.
    If it is remote, a URL must not contain a user name or password, and its host must be public or the host of
    `origin`. The port does not matter: a team's catalog on 127.0.0.1 or 10.x works with all its ports, and on a public
    host the author of the item can reach each port anyway.

    Args:
        url: URL to read.
        origin: URL of the item that contains `url`, or first URL of the redirects that lead to it; None if the item is
            a local file.
    """
    if _CONTROL.search(url):
        return "it holds control characters"
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return "it is no http(s) URL"
    host = _canonical(parts.hostname or "")
    if host is None:
        return "its host is no plain host name or address"
    if _is_metadata(host):
        return f"{host} is where clouds keep a machine's credentials"
    if origin is None:
        return None
    if "@" in parts.netloc:
        return "it carries a user name or password"
    source = _split(origin)
    own = _canonical(source.hostname or "") if source else None
    if own is not None and (host == own or (_is_loopback(host) and _is_loopback(own))):
        return None
    reason = _why_private(host)
    return f"{reason}, and the item comes from elsewhere" if reason else None


def _why_private(host: Address | str) -> str | None:
    if isinstance(host, str):
        if "." not in host or any(host == name or host.endswith(f".{name}") for name in _PRIVATE_DOMAINS):
            return f"{host} is the name of a host inside a network"
        return None
    for address in (host, *_embedded(host)):
        for what in ("loopback", "unspecified", "link_local", "site_local", "multicast", "private", "reserved"):
            if getattr(address, f"is_{what}", False):
                return f"{host} is a {what.replace('_', '-')} address"
        if not address.is_global:
            return f"{host} is no public address"
    return None


def _is_metadata(host: Address | str) -> bool:
    if isinstance(host, str):
        return host in _METADATA_NAMES
    addresses = (host, *_embedded(host))
    return any(a.version == network.version and a in network for a in addresses for network in _METADATA)


def _is_loopback(host: Address | str) -> bool:
    if isinstance(host, str):
        return host == "localhost" or host.endswith(".localhost")
    return any(address.is_loopback for address in (host, *_embedded(host)))


def _embedded(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses that an IPv6 address contains: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(a for a in inside if a is not None)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None  # .port raises ValueError if it is not a number
    except ValueError:
        return None


def _canonical(host: str) -> Address | str | None:
    """Return an address for any of its spellings, or a name in lower case; None for anything else.

    Names outside ASCII are rejected, because other libraries convert them later (`①②⑦.0.0.1`, for example).
    """
    if ":" in host:
        try:
            # An address with a zone is valid on one machine only.
            return None if "%" in host else ipaddress.IPv6Address(host)
        except ValueError:
            return None
    name = host.lower().removesuffix(".")
    if not _HOST.fullmatch(name) or ".." in name or name.startswith("."):
        return None
    parts = name.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return name  # a name, because no top-level domain is a number
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except OSError:
        return None
