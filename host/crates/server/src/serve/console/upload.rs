//! An upload by a form: the file of a module, handed on to the API as it comes.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use kinora_api::Kind;
use kinora_console::{Answer, TOKEN};
use multer::{Field, Multipart};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower_service::Service;

use super::sessions::{Session, forged};
use super::visitor::Asking;
use crate::edge::problem::Problem;
use crate::serve::listen::TooSlow;

/// The field with the module.
const FILE: &str = "wasm";

/// Bytes of a token, and of anything that claims to be one.
const TOKEN_BYTES: usize = 1 << 10;

/// Pieces of the file that wait for the API: what it does not take is not read.
const PIECES: usize = 1;

/// What the API answers to the file. The token comes before it, so that no file is read for a page of another site.
pub async fn upload<S>(asking: &Asking<S>, session: &Session, request: Request) -> Result<Answer, Problem>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| {
        Problem::new(Kind::UnknownContentType, "a file is taken from a form only")
            .hint("send content-type: multipart/form-data, or use the API: POST /v1/modules")
    })?;
    let mut parts = Multipart::new(request.into_body().into_data_stream(), boundary);
    let shown = match parts.next_field().await.map_err(broken)? {
        Some(field) if field.name() == Some(TOKEN) => text(field).await?,
        _ => return Err(forged()),
    };
    if !session.is_token(&shown) {
        return Err(forged());
    }
    let file = parts.next_field().await.map_err(broken)?.filter(|field| field.name() == Some(FILE));
    let Some(file) = file else {
        return Err(Problem::new(Kind::InvalidBody, "the form has no file").hint("choose a file of WebAssembly"));
    };
    let (sender, receiver) = mpsc::channel(PIECES);
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let (answer, ()) = futures::join!(asking.upload(body), hand_over(file, sender));
    Ok(answer)
}

/// Ends with the file, or when nobody takes more of it.
async fn hand_over(mut file: Field<'_>, to: mpsc::Sender<Result<Bytes, multer::Error>>) {
    while let Some(piece) = file.chunk().await.transpose() {
        let is_last = piece.is_err();
        if to.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

async fn text(mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if bytes.len() + piece.len() > TOKEN_BYTES {
            return Err(forged());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[allow(clippy::needless_pass_by_value)]
fn broken(error: multer::Error) -> Problem {
    match TooSlow::in_causes_of(&error) {
        Some(slow) => Problem::from(*slow),
        None => Problem::new(Kind::InvalidBody, format!("the form cannot be read: {error}")).hint("send it again"),
    }
}
