//! Who asks: an address, and the name that a client there gives itself with the header `Kinora-Client`. It is not
//! who somebody is, only whose turn it is.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use crate::log::Client;

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let mut hasher = DefaultHasher::new();
        (address, parts.headers.get("kinora-client")).hash(&mut hasher);
        // 0 is the host itself.
        Ok(Self(hasher.finish().max(1)))
    }
}
