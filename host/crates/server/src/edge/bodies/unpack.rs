//! Bodies that are packed, unpacked on their way to a handler. All others go to it as they are.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use tower_http::decompression::RequestDecompression;
use tower_layer::Layer;
use tower_service::Service;

use crate::edge::head;

#[derive(Clone)]
pub struct Unpack;

#[derive(Clone)]
pub struct Unpacked(Route);

impl Layer<Route> for Unpack {
    type Service = Unpacked;

    fn layer(&self, route: Route) -> Unpacked {
        Unpacked(route)
    }
}

impl Service<Request> for Unpacked {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<RouteFuture<Infallible>, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if head::is_packed(&request) {
            // They are few. What is kept here is cloned for every request.
            let answer = RequestDecompression::new(self.0.clone()).call(request);
            Either::Right(async move { answer.await.map(|response| response.map(Body::new)) }.boxed())
        } else {
            Either::Left(self.0.call(request))
        }
    }
}
