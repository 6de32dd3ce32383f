//! Who may connect.

use hilum_types::AeTitle;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::timeout;

/// Time for the resolver to say which addresses a peer's host name has.
const RESOLVE_MAX: Duration = Duration::from_secs(5);

/// A peer that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its calling AE title, compared exactly apart from insignificant spaces.
    pub ae_title: AeTitle,
    /// Where it must come from; anywhere when `None`.
    pub address: Option<PeerAddress>,
}

/// An address, a network or a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAddress {
    /// All addresses that share the first `prefix` bits; one address has a prefix of 32 or 128.
    Network {
        /// An address of the network.
        address: IpAddr,
        /// Bits that count.
        prefix: u8,
    },
    /// A name, resolved whenever the peer connects.
    Host(String),
}

/// The text is no address, network or host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer address {0:?} is not an IP address, a network such as 10.1.0.0/16, or a host name")]
pub struct InvalidPeerAddress(pub String);

impl FromStr for PeerAddress {
    type Err = InvalidPeerAddress;

    fn from_str(raw: &str) -> Result<PeerAddress, InvalidPeerAddress> {
        let invalid = || InvalidPeerAddress(raw.to_owned());
        if let Ok(address) = raw.parse::<IpAddr>() {
            return Ok(PeerAddress::Network { address, prefix: bits(address) });
        }
        if let Some((address, prefix)) = raw.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| invalid())?;
            let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
            return if prefix <= bits(address) { Ok(PeerAddress::Network { address, prefix }) } else { Err(invalid()) };
        }
        // Something that looks like an address and is none must not become a name that resolves to nothing.
        let named = raw.bytes().any(|b| b.is_ascii_alphabetic());
        let allowed = raw.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if named && allowed && raw.len() <= 253 { Ok(PeerAddress::Host(raw.to_owned())) } else { Err(invalid()) }
    }
}

impl PeerAddress {
    /// Whether a connection from this address is one of the peer. A name that does not resolve admits nobody.
    pub async fn admits(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        match self {
            PeerAddress::Network { address, prefix } => in_network(from, *address, *prefix),
            PeerAddress::Host(name) => resolves_to(name, from).await,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Network { address, prefix } if *prefix == bits(*address) => write!(f, "{address}"),
            PeerAddress::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            PeerAddress::Host(name) => f.write_str(name),
        }
    }
}

/// Whether one of the peers has this title and may come from this address. A name that does not resolve matches nothing.
pub(super) async fn may_connect(peers: &[Peer], calling_ae: &AeTitle, from: IpAddr) -> bool {
    let from = from.to_canonical();
    for peer in peers.iter().filter(|peer| peer.ae_title == *calling_ae) {
        let known = match &peer.address {
            None => true,
            Some(address) => address.admits(from).await,
        };
        if known {
            return true;
        }
    }
    false
}

async fn resolves_to(name: &str, from: IpAddr) -> bool {
    match timeout(RESOLVE_MAX, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(mut addresses)) => addresses.any(|address| address.ip().to_canonical() == from),
        Ok(Err(error)) => {
            tracing::warn!(peer.host = name, %error, "the host name of a listed peer does not resolve");
            false
        }
        Err(_) => {
            tracing::warn!(peer.host = name, "resolving the host name of a listed peer takes too long");
            false
        }
    }
}

fn in_network(from: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (from, network) {
        (IpAddr::V4(from), IpAddr::V4(network)) => {
            let shift = 32 - u32::from(prefix.min(32));
            from.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(from), IpAddr::V6(network)) => {
            let shift = 128 - u32::from(prefix.min(128));
            from.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_networks_and_names_are_told_apart() {
        for (raw, wanted) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.0.0/16", Some("10.1.0.0/16")),
            ("::1", Some("::1")),
            ("fd00::/8", Some("fd00::/8")),
            ("ct-1.hospital.example", Some("ct-1.hospital.example")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("10.1.0.0/33", None),
            ("10.1.2", None),
            ("10.1.2.3.4", None),
            ("ct/1", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(raw.parse::<PeerAddress>().ok().map(|a| a.to_string()).as_deref(), wanted, "{raw}");
        }
    }

    #[test]
    fn membership_follows_the_prefix() {
        for (from, network, wanted) in [
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.4", "10.1.2.3", false),
            ("10.1.255.255", "10.1.0.0/16", true),
            ("10.2.0.0", "10.1.0.0/16", false),
            ("192.0.2.1", "0.0.0.0/0", true),
            ("fd12::1", "fd00::/8", true),
            ("fe80::1", "fd00::/8", false),
            ("fe80::1", "0.0.0.0/0", false),
            ("2001:db8::1", "::/0", true),
        ] {
            let Ok(PeerAddress::Network { address, prefix }) = network.parse() else { panic!("{network}") };
            assert_eq!(in_network(from.parse().unwrap(), address, prefix), wanted, "{from} in {network}");
        }
    }
}
