//! Answers that are made piece by piece: one when the client has taken those before it, and one ahead. No thread is
//! held while the client does not read, and when it leaves the work ends.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::task::JoinHandle;

use kinora_projection::Line;
use kinora_types::Budget;

use crate::edge::budget::Work;
use crate::edge::problem::Problem;

/// What is made in pieces. It knows where it is.
pub trait Pieces: Send + 'static {
    /// The next piece: empty where there is nothing for it yet, `None` at the end. It takes milliseconds.
    fn next(&mut self, budget: &Budget) -> Result<Option<Vec<u8>>, Problem>;
}

/// A piece, and what the ones behind it are made of.
type Made<P> = Result<Option<(Vec<u8>, P)>, Problem>;

/// If a piece cannot be made the answer breaks off, so that it is not taken for all.
pub fn body<P: Pieces>(work: Work, pieces: P) -> Body {
    let work = Arc::new(work);
    // Dropped with the body, while the piece that is being made still has its own.
    let waiting = work.0.cancelled_on_drop();
    let first = begin(&work, pieces);
    Body::from_stream(stream::unfold(Some((waiting, work, first)), async |going_on| {
        let (waiting, work, mut making) = going_on?;
        loop {
            match making.await {
                Ok(Ok(None)) => return None,
                Ok(Ok(Some((piece, pieces)))) => {
                    work.0.give_back(piece.len());
                    making = begin(&work, pieces);
                    // Nothing at all would look like the end.
                    if !piece.is_empty() {
                        return Some((Ok(Bytes::from(piece)), Some((waiting, work, making))));
                    }
                }
                Ok(Err(problem)) => return Some((Err(io::Error::other(problem.into_text())), None)),
                Err(cause) => return Some((Err(io::Error::other(cause)), None)),
            }
        }
    }))
}

fn begin<P: Pieces>(work: &Arc<Work>, mut pieces: P) -> JoinHandle<Made<P>> {
    let work = Arc::clone(work);
    tokio::spawn(async move {
        let round = work.round();
        let within = work.0.clone();
        let made = round.run_in(Line::Streams, move |budget| {
            let Some(piece) = pieces.next(budget)? else { return Ok(None) };
            within.take(piece.len())?;
            Ok::<_, Problem>(Some((piece, pieces)))
        });
        made.await
    })
}
