//! Who asks: an address, and the name that a client there gives itself with the header `Kinora-Client`. It is not
//! who somebody is, only whose turn it is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};

use crate::log::Client;

pub fn client(request: &Request) -> Client {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let mut hasher = DefaultHasher::new();
    (address, request.headers().get("kinora-client")).hash(&mut hasher);
    // 0 is the host itself.
    Client(hasher.finish().max(1))
}
