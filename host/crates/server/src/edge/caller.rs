//! The caller: whose turn it is. It is who somebody is, where the host knows that, else their address; clients on the
//! machine of the host tell themselves apart by the header `Kinora-Client`. Elsewhere such a name would be a way to be
//! many.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderName;
use foldhash::fast::RandomState;

use kinora_access::Principal;
use kinora_log::ClientId;

const NAME: HeaderName = HeaderName::from_static(kinora_api::headers::CLIENT);

/// Nobody knows its seed, so nobody can choose a name that is taken for another's.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

pub fn client(request: &Request) -> ClientId {
    let hash = match request.extensions().get::<Arc<Principal>>() {
        Some(principal) => HASHER.hash_one(&principal.name),
        None => {
            let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
            let name = request.headers().get(NAME).filter(|_| address.is_none_or(|address| address.is_loopback()));
            HASHER.hash_one((address, name))
        }
    };
    // 0 is the host itself.
    ClientId(hash.max(1))
}

/// Whoever has one address of version 6 has the 2^64 around it.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        four => four,
    }
}
