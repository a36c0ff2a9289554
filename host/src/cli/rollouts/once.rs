//! Changes that are made once: each is sent with a key of its own, and with the same key again if the connection breaks
//! before its answer is there.

use kinora_client::{Client, Error};
use uuid::Uuid;

use crate::cli::output::note;

pub async fn once<T>(client: &Client, send: impl AsyncFn(&Client) -> Result<T, Error>) -> Result<T, Error> {
    let keyed = client.keyed(Uuid::new_v4().to_string());
    match send(&keyed).await {
        Err(Error::Lost { .. }) => {
            note("the connection broke before the answer was there: asking again, which does nothing twice");
            send(&keyed).await
        }
        answer => answer,
    }
}
