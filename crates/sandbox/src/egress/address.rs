//! What kind of address an address is, and whether a granted *name* may lead there.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Metadata services of clouds: who reaches them reads the node's credentials. Most are link-local; these are named so
/// that a denial says what was attempted, and because some are not link-local at all.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254), // AWS, GCP, Azure, OpenStack and others
    Ipv4Addr::new(169, 254, 170, 2),   // AWS: credentials of an ECS task
    Ipv4Addr::new(169, 254, 170, 23),  // AWS: credentials of an EKS pod
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba: inside the shared range of RFC 6598
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's host agent: a public address
];

/// The same for IPv6, beside all of `fd00:ec2::/32`, which AWS keeps for its own services.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // GCP
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x0042), // Scaleway
];

/// Class of an address, as far as grants care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// The Internet.
    Public,
    /// RFC 1918: where clusters live.
    Private,
    /// RFC 4193: where IPv6 clusters live.
    UniqueLocal,
    /// RFC 6598 (100.64.0.0/10): where some clouds put pods.
    Shared,
    /// The machine itself.
    Loopback,
    /// The wire itself.
    LinkLocal,
    /// `0.0.0.0/8` and `::`, which Linux connects to the machine itself.
    Unspecified,
    /// Groups.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Documentation, benchmarks, protocol assignments, future use, tunnels.
    Reserved,
    /// A cloud's metadata service.
    Metadata,
}

impl AddressClass {
    /// Every class, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Public,
        Self::Private,
        Self::UniqueLocal,
        Self::Shared,
        Self::Loopback,
        Self::LinkLocal,
        Self::Unspecified,
        Self::Multicast,
        Self::Broadcast,
        Self::Reserved,
        Self::Metadata,
    ];

    /// The class of `address`. An IPv4 address inside an IPv6 address (mapped, NAT64, 6to4, ISATAP) counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// Whether a granted name may resolve to it.
    pub fn reachable_by_name(self) -> bool {
        matches!(self, Self::Public | Self::Private | Self::UniqueLocal | Self::Shared)
    }

    /// As in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::UniqueLocal => "unique-local",
            Self::Shared => "shared (carrier-grade NAT)",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::Metadata => "cloud metadata",
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            return Self::Metadata;
        }
        match address.octets() {
            [0, ..] => Self::Unspecified,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] => Self::Shared,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            // Protocol assignments, documentation (three nets), 6to4 relays, benchmarks, future use.
            [192, 0, 0 | 2, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [192, 88, 99, _]
            | [198, 18..=19, ..]
            | [240..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            return Self::Metadata;
        }
        // ISATAP: the last 64 bits of any unicast prefix hold an IPv4 address.
        if let [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] = address.segments() {
            let embedded = Self::of_v4(embedded(high, low));
            if !embedded.reachable_by_name() {
                return embedded;
            }
        }
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfd00, 0x0ec2, ..] => Self::Metadata,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfc00..=0xfdff, ..] => Self::UniqueLocal,
            // NAT64 and 6to4 lead to the IPv4 address that they hold.
            [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Self::of_v4(embedded(high, low)),
            // Teredo, ORCHID and the other protocol assignments of 2001::/23; documentation (two nets).
            [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            // Among them IPv4-compatible addresses (::a.b.c.d), local NAT64 prefixes and old site-local addresses.
            _ => Self::Reserved,
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_by_its_addresses() {
        use AddressClass::*;
        for (text, class) in [
            ("1.1.1.1", Public),
            ("172.32.0.1", Public),
            ("100.128.0.1", Public),
            ("2606:4700::1111", Public),
            ("::ffff:8.8.8.8", Public),
            ("64:ff9b::808:808", Public),
            ("2002:808:808::1", Public),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("::ffff:10.0.0.1", Private),
            ("64:ff9b::a00:1", Private),
            ("fd12:3456::1", UniqueLocal),
            ("fc00::1", UniqueLocal),
            ("100.64.0.1", Shared),
            ("100.127.255.254", Shared),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("2a01::5efe:127.0.0.1", Loopback),
            ("fd00::200:5efe:127.0.0.1", Loopback),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("::ffff:0.0.0.0", Unspecified),
            ("224.0.0.1", Multicast),
            ("239.255.255.250", Multicast),
            ("ff02::1", Multicast),
            ("255.255.255.255", Broadcast),
            ("192.0.0.192", Reserved),
            ("192.0.2.1", Reserved),
            ("198.18.0.1", Reserved),
            ("198.51.100.1", Reserved),
            ("203.0.113.1", Reserved),
            ("192.88.99.1", Reserved),
            ("240.0.0.1", Reserved),
            ("::127.0.0.1", Reserved),
            ("::7f00:1", Reserved),
            ("64:ff9b:1::7f00:1", Reserved),
            ("2001::1", Reserved),
            ("2001:db8::1", Reserved),
            ("3fff::1", Reserved),
            ("fec0::1", Reserved),
            ("100::1", Reserved),
            ("4000::1", Reserved),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("fd20:ce::254", Metadata),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:a9fe:a9fe", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b::6464:64c8", Metadata),
            ("2002:a9fe:a9fe::1", Metadata),
        ] {
            assert_eq!(AddressClass::of(text.parse().unwrap()), class, "{text}");
        }
    }
}
