//! Appends to, and reads from, other stores as fast as they answer: `peers STORE URL WORK CLIENTS SECONDS`.
//!
//! STORE is `umadb` or `postgres`; WORK is `single` (an event an append), `batch` (100 events), `conditional` (an
//! event, if no other has its tag), `read` (all events, in order; CLIENTS and SECONDS do not matter), `commands` or
//! `command` (a deposit into one of 10,000 accounts, or into a single one, decided on its row). It prints events a
//! second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use umadb_client::UmaDbClient;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreAsync, DcbQuery, DcbQueryItem};
use uuid::Uuid;

/// The data of an event, as large as those of the other stores in the benchmark.
const DATA: &str = r#"{"account":"4711","amount":1250,"currency":"EUR"}"#;

const BATCH: usize = 100;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, url, work, clients, seconds] = &arguments[..] else {
        return Err("peers umadb|postgres URL single|batch|conditional|read CLIENTS SECONDS".into());
    };
    let (clients, span) = (clients.parse()?, Duration::from_secs_f64(seconds.parse()?));
    let rate = match (&**store, &**work) {
        ("umadb", "read") => umadb_read(url).await?,
        ("umadb", work) => umadb(url, work, clients, span).await?,
        ("postgres", "single") => postgres(url, clients, span).await?,
        ("postgres", "commands") => deposits(url, 10_000, clients, span).await?,
        ("postgres", "command") => deposits(url, 1, clients, span).await?,
        _ => return Err("there is no such store or work".into()),
    };
    println!("{rate}");
    Ok(())
}

/// Runs one task a client until the time is over, and counts what they have done.
async fn measure<F>(
    clients: usize,
    span: Duration,
    task: impl Fn(usize, Arc<AtomicBool>, Arc<AtomicU64>) -> F,
) -> Result<f64, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..clients).map(|n| tokio::spawn(task(n, Arc::clone(&stop), Arc::clone(&count)))).collect();
    let started = Instant::now();
    tokio::time::sleep(span).await;
    let rate = count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    Ok(rate)
}

fn event(tag: String) -> DcbEvent {
    DcbEvent {
        event_type: "Deposited".to_owned(),
        tags: vec![tag],
        data: DATA.as_bytes().to_vec(),
        uuid: Some(Uuid::new_v4()),
        metadata: Vec::new(),
    }
}

async fn umadb(url: &str, work: &str, clients: usize, span: Duration) -> Result<f64, Failure> {
    // A connection a client, as with the others.
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Arc::new(UmaDbClient::new(url.to_owned()).connect_async().await?));
    }
    let (batch, conditional) = (if work == "batch" { BATCH } else { 1 }, work == "conditional");
    measure(clients, span, |n, stop, count| {
        let client = Arc::clone(&connections[n]);
        async move {
            while !stop.load(Ordering::Relaxed) {
                let tag = Uuid::new_v4().to_string();
                let condition = conditional.then(|| {
                    let item = DcbQueryItem { types: vec!["Deposited".to_owned()], tags: vec![tag.clone()] };
                    DcbAppendCondition { fail_if_events_match: DcbQuery { items: vec![item] }, after: None }
                });
                let events = (0..batch).map(|_| event(tag.clone())).collect();
                client.append(events, condition, None).await?;
                count.fetch_add(batch as u64, Ordering::Relaxed);
            }
            Ok(())
        }
    })
    .await
}

async fn umadb_read(url: &str) -> Result<f64, Failure> {
    let client = UmaDbClient::new(url.to_owned()).batch_size(1_000).connect_async().await?;
    let started = Instant::now();
    let mut answer = client.read(None, None, false, None).await?;
    let mut events = 0;
    loop {
        let batch = answer.next_batch().await?;
        if batch.is_empty() {
            break;
        }
        events += batch.len();
    }
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

const EVENTS: &str = "create table if not exists events (
    position bigserial primary key, stream text not null, revision bigint not null,
    id uuid not null unique, type text not null, data text not null, unique (stream, revision))";

async fn connect(url: &str) -> Result<tokio_postgres::Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The rules of an account as one writes them by hand: its row is locked and looked at, the event and the new row are
/// written, and all of that is committed.
async fn deposits(url: &str, accounts: i64, clients: usize, span: Duration) -> Result<f64, Failure> {
    let setup = connect(url).await?;
    setup.batch_execute(EVENTS).await?;
    setup
        .batch_execute("create table if not exists accounts (
            id bigint primary key, balance bigint not null, revision bigint not null)")
        .await?;
    let fill = "insert into accounts select n, 0, -1 from generate_series(0, 9999) n on conflict do nothing";
    setup.batch_execute(fill).await?;
    let next = Arc::new(AtomicU64::new(0));
    measure(clients, span, |_, stop, count| {
        let (url, next) = (url.to_owned(), Arc::clone(&next));
        async move {
            let mut client = connect(&url).await?;
            let look = client.prepare("select balance, revision from accounts where id = $1 for update").await?;
            let insert = "insert into events (stream, revision, id, type, data)
                values ($1, $2, gen_random_uuid(), 'Deposited', $3)";
            let insert = client.prepare(insert).await?;
            let update = client.prepare("update accounts set balance = $2, revision = $3 where id = $1").await?;
            while !stop.load(Ordering::Relaxed) {
                let id = (next.fetch_add(1, Ordering::Relaxed) as i64) % accounts;
                let transaction = client.transaction().await?;
                let row = transaction.query_one(&look, &[&id]).await?;
                let (balance, revision): (i64, i64) = (row.get(0), row.get(1));
                let (balance, revision) = (balance.checked_add(1).ok_or("too much")?, revision + 1);
                transaction.execute(&insert, &[&format!("account-{id}"), &revision, &DATA]).await?;
                transaction.execute(&update, &[&id, &balance, &revision]).await?;
                transaction.commit().await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    })
    .await
}

async fn postgres(url: &str, clients: usize, span: Duration) -> Result<f64, Failure> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Arc::new(connect(url).await?));
    }
    connections[0].batch_execute(EVENTS).await?;
    measure(clients, span, |n, stop, count| {
        let client = Arc::clone(&connections[n]);
        let stream = Uuid::new_v4().to_string();
        async move {
            let insert = "insert into events (stream, revision, id, type, data)
                values ($1, $2, gen_random_uuid(), 'Deposited', $3)";
            let insert = client.prepare(insert).await?;
            let mut revision = 0_i64;
            while !stop.load(Ordering::Relaxed) {
                client.execute(&insert, &[&stream, &revision, &DATA]).await?;
                revision += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    })
    .await
}
