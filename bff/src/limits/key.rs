//! For whom something is counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use uuid::Uuid;

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A household: made by `Key::address`.
    Address(IpAddr),
    Account(Uuid),
    /// A partner's, by its public id.
    AccessKey(String),
    /// A keyed hash of what the store must not know, such as an e-mail address.
    Hash([u8; 32]),
    /// One bucket for all together, as for a budget.
    Everybody,
}

impl Key {
    pub fn address(address: IpAddr) -> Self {
        Self::Address(household(address))
    }
}

/// Whom an address stands for: who has one IPv6 address has its whole /64.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Account(account) => write!(f, "account:{}", account.simple()),
            Self::AccessKey(id) => write!(f, "access-key:{id}"),
            Self::Hash(hash) => {
                f.write_str("hash:")?;
                hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Everybody => f.write_str("everybody"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_an_ipv4_address_or_an_ipv6_network() {
        let text = |address: &str| Key::address(address.parse().unwrap()).to_string();
        assert_eq!(text("192.0.2.7"), "address:192.0.2.7");
        assert_eq!(text("::ffff:192.0.2.7"), "address:192.0.2.7");
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::");
        assert_eq!(text("2001:db8:1:2::9"), text("2001:db8:1:2:ffff::"));
    }
}
