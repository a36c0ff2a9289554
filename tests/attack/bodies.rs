//! Bodies that are large and do not end, that trickle, and that are more than they seem.

use std::io::Read;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzEncoder;
use futures::future::join_all;
use tokio::io::AsyncWriteExt;

use crate::target::Target;

/// As large as a body may be, and so many that they come to more than all bodies may have.
const BODY_BYTES: usize = 32 << 20;
const BODIES: usize = 24;

/// Of a stalled body, what comes.
const COMES_BYTES: usize = 31 << 20;

/// Of a trickling body: just as much in ten seconds as keeps it alive.
const TRICKLE_BYTES: usize = 8 << 10;
const TRICKLE: Duration = Duration::from_secs(1);

const BOMBERS: usize = 32;
const BOMB_BYTES: u64 = 1 << 30;

const PAUSE: Duration = Duration::from_millis(200);

/// Uploads of which the last part never comes.
pub async fn stalled(target: Target) {
    join_all((0..BODIES).map(|number| send(target.clone(), number, COMES_BYTES, Duration::ZERO))).await;
}

/// Uploads that come as slowly as is allowed.
pub async fn trickling(target: Target) {
    join_all((0..BODIES).map(|number| send(target.clone(), number, BODY_BYTES - 1, TRICKLE))).await;
}

/// Sends so much of a body, in pieces with a pause between them, and waits for what the host says to that.
async fn send(target: Target, number: usize, comes: usize, pause: Duration) {
    let head = format!(
        "POST /v1/modules HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n\
         content-length: {BODY_BYTES}\r\n\r\n"
    );
    let piece = vec![0; if pause.is_zero() { 256 << 10 } else { TRICKLE_BYTES }];
    loop {
        let Ok(stream) = target.connect(number).await else { continue };
        let (reads, mut writes) = stream.into_split();
        let sending = async {
            writes.write_all(head.as_bytes()).await?;
            for _ in 0..comes / piece.len() {
                writes.write_all(&piece).await?;
                target.did("KiB of bodies", piece.len() as u64 >> 10);
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<std::io::Result<()>>().await
        };
        // It does not go on with what was answered.
        tokio::select! {
            _ = sending => {}
            _ = reads.readable() => {}
        }
        let Ok(mut stream) = reads.reunite(writes) else { continue };
        target.answered(&mut stream).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Bodies of some kibibytes that unpack to a gibibyte.
pub async fn bombs(target: Target) {
    let gzip = tokio::task::spawn_blocking(|| {
        let mut packed = Vec::new();
        GzEncoder::new(std::io::repeat(b' ').take(BOMB_BYTES), Compression::fast()).read_to_end(&mut packed).unwrap();
        packed
    });
    let zstd = zstd::stream::encode_all(std::io::repeat(b' ').take(BOMB_BYTES), 1).unwrap();
    let bombs = [("gzip", gzip.await.unwrap()), ("zstd", zstd)];
    let throwing = (0..BOMBERS).map(|number| {
        let (encoding, bomb) = bombs[number % bombs.len()].clone();
        throw(target.clone(), number, encoding, bomb)
    });
    join_all(throwing).await;
}

async fn throw(target: Target, number: usize, encoding: &'static str, bomb: Vec<u8>) {
    let head = format!(
        "POST /v1/streams/bomb/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bomb.len()
    );
    loop {
        let Ok(mut stream) = target.connect(number).await else { continue };
        if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&bomb).await.is_ok() {
            target.did(format!("bombs ({encoding})"), 1);
        }
        target.answered(&mut stream).await;
    }
}
