"""Where an item may send us: what a URL that a stranger wrote must not name.

An item of a remote catalogue is written by others and read inside somebody's network: its hrefs must not reach what
only this machine can reach (server-side request forgery). Names are judged as they are written, without asking DNS: a
public name may still lead to an inner address, so whoever opens a connection can hold the address that it got against
`why_private_address`.

The spellings of IPv4 addresses are those of the C library's `inet_aton`, which `requests` and GDAL's curl end in:
one to four parts, each decimal, octal (0...) or hexadecimal (0x...), the last filling what is left.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_METADATA = tuple(ipaddress.ip_network(n) for n in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"))
"""Link-local addresses, where clouds answer questions about the machine's own credentials, and AWS's over IPv6."""
_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
_INNER_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain")
"""Names that only mean something inside a network, and all below them (RFC 6761, 6762, 8375; ICANN's `.internal`)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_url_allowed(url: str, origin: str | None) -> str | None:
    """Why a URL is refused, or None where it may be read.

    Args:
        url: what is to be read.
        origin: URL of the item that names it, or that redirects to it; None where the item is a file of this machine.
            Whatever `origin`'s own host serves, on any port, is allowed, so that a team's catalogue on 127.0.0.1 or
            10.x works. A local item may name any host but those that hold a machine's credentials, which are never
            allowed. Ports are not judged: once inner hosts are out, none leads where a stranger could not go himself.
    """
    if _CONTROL.search(url):
        return "it holds control characters"
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return "it is no http(s) URL"
    host = _host(parts)
    if host is None:
        return "its host is no plain host name or address"
    if _is_metadata(host):
        return f"{host} is where clouds keep a machine's credentials"
    if origin is None:
        return None
    if "@" in parts.netloc:
        return "it carries a user name or password"
    source = _split(origin)
    home = _host(source) if source else None
    if home is not None and (host == home or (_is_loopback(host) and _is_loopback(home))):
        return None
    inner = _why_inner(host)
    return f"{inner}, and the item comes from elsewhere" if inner else None


def why_private_address(host: str) -> str | None:
    """Why a host name or address belongs to an inner network, or None where it may be public. For the peer address of
    an open connection too."""
    found = _canonical(host)
    return "it is no plain host name or address" if found is None else _why_inner(found)


def _why_inner(host: Address | str) -> str | None:
    if isinstance(host, str):
        if "." not in host or any(host == name or host.endswith(f".{name}") for name in _INNER_NAMES):
            return f"{host} is the name of a host inside a network"
        return None
    for address in (host, *_embedded(host)):
        for what in ("loopback", "unspecified", "link_local", "multicast", "private", "reserved"):
            if getattr(address, f"is_{what}"):
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
    """IPv4 addresses inside an IPv6 one: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(a for a in inside if a is not None)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None  # .port raises where it is no number
    except ValueError:
        return None


def _host(parts: SplitResult) -> Address | str | None:
    return _canonical(parts.hostname or "")


def _canonical(host: str) -> Address | str | None:
    """An address, however it is spelt, or a name in lower case; None where it is neither.

    Names outside ASCII are not taken: what they turn into is decided further down, by others (`①②⑦.0.0.1`).
    """
    if ":" in host:
        try:
            return None if "%" in host else ipaddress.IPv6Address(host)  # a zone only means something on one machine
        except ValueError:
            return None
    name = host.lower().removesuffix(".")
    if not _HOST.fullmatch(name) or ".." in name or name.startswith("."):
        return None
    parts = name.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return name  # no top-level domain is a number, so this is a name
    return _ipv4(parts)


def _ipv4(parts: list[str]) -> Address | None:
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_integer(part) for part in parts]
    except ValueError:  # an 8 in an octal number
        return None
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (5 - len(parts)):
        return None
    return ipaddress.IPv4Address(sum(n << 8 * (3 - i) for i, n in enumerate(leading)) + last)


def _integer(part: str) -> int:
    if len(part) > 16:
        raise ValueError
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part[0] == "0" and len(part) > 1 else 10)
