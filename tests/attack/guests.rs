//! Guests that are no guests, and one that never comes to an end.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::questions::answered;
use crate::target::{CLIENT, Target};

const UPLOADING: usize = 8;
const ASKING: usize = 8;

/// What a core module and a component begin with.
const BEGINNINGS: [[u8; 8]; 2] = [*b"\0asm\x01\0\0\0", *b"\0asm\x0d\0\x01\0"];

const GARBAGE_BYTES: usize = 1 << 20;

const PAUSE: Duration = Duration::from_millis(20);

/// Uploads that begin as a module does and are noise from there on; each is another one.
pub async fn garbage(target: Target) {
    let client = kinora_tests::client();
    let uploading = async |number: usize| {
        for n in 0_u64.. {
            let mut module = BEGINNINGS[number % 2].to_vec();
            let mut state = (u64::from(std::process::id()) << 32) + ((number as u64) << 24) + n;
            while module.len() < GARBAGE_BYTES {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                module.extend_from_slice(&(state >> 16).to_le_bytes());
            }
            let request = client.post(target.url("/v1/modules")).header("kinora-client", CLIENT).body(module);
            answered(&target, request).await;
        }
    };
    join_all((0..UPLOADING).map(uploading)).await;
}

/// A version that loops at an event, resumed again and again, and named queries that loop.
pub async fn endless(target: Target) {
    let client = kinora_tests::client();
    let resuming = async {
        loop {
            let request = client.post(target.url("/v1/projections/loop/versions/1/resume"));
            answered(&target, request.header("kinora-client", CLIENT).json(&json!({}))).await;
            tokio::time::sleep(PAUSE).await;
        }
    };
    let asking = async |_| {
        loop {
            let request = client.get(target.url("/v1/read-models/loop/queries/ask?version=1&stale=true"));
            answered(&target, request.header("kinora-client", CLIENT)).await;
        }
    };
    futures::join!(resuming, join_all((0..ASKING).map(asking)));
}
