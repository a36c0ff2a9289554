//! The caller: an address, and the name that a client there gives itself with the header `Kinora-Client`. It is not
//! who somebody is, only whose turn it is.

use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderName;
use foldhash::fast::RandomState;

use kinora_log::ClientId;

const NAME: HeaderName = HeaderName::from_static(kinora_api::headers::CLIENT);

/// Nobody knows its seed, so nobody can choose a name that is taken for another's.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

pub fn client(request: &Request) -> ClientId {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    // 0 is the host itself.
    ClientId(HASHER.hash_one((address, request.headers().get(NAME))).max(1))
}
