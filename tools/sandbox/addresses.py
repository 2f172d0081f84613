"""Which addresses are public: where a request may go whose target somebody else chose."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_DENIED = (
    ipaddress.ip_network("192.0.0.0/24"),  # of protocols; Python takes some of it for global
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's metadata
    ipaddress.ip_network("fec0::/10"),  # site-local
)


def is_public(address: Address) -> bool:
    meant = embedded(address)
    return (
        meant.is_global
        and not (meant.is_multicast or meant.is_reserved)
        and not any(meant in network for network in _DENIED)
    )


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address
