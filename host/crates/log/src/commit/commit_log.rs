//! [`CommitLog`]: where commits go, in their order, and become durable.

use kinora_types::Progress;

use crate::error::Error;

/// What the writer hands its commits to. The tables have a commit already when it comes here; this is about its
/// surviving.
///
/// An implementation promises:
///
/// - **Order.** Commits are taken up as they come, each beginning where the one before ended. Nothing is reordered,
///   merged with what a caller did not add, or left out.
/// - **Durability.** Once [`sync`](Self::sync) has returned, whatever was added before it was called is there when
///   the log is opened again, after anything that the implementation says it survives: the end of the process, of the
///   machine, of a minority of machines, or (in memory) nothing at all.
/// - **A prefix.** What is there when the log is opened again is the log from its beginning up to the end of some
///   commit, and at least up to the last sync that succeeded. Where that cannot be had, opening fails and says so.
/// - **One history.** A commit that was not synced may be gone, but then so are all after it, and it never comes back
///   once another has taken its positions.
/// - **An end after a failure.** When a call has failed nobody knows what is durable. Every later [`add`](Self::add)
///   or `sync` that would have to write fails, too, until the log is opened again.
///
/// It may rely on this: `add` is called by one thread at a time, with positions that go up, and `sync` and
/// [`close`](Self::close) by any thread at any time, also beside `add`. Readers and subscribers are shown nothing
/// before the sync that covers it has returned; that is the writer's business.
pub trait CommitLog: Send + Sync {
    /// Takes up a commit: a write batch of RocksDB, and where the log ends with it. It need not be durable yet, and
    /// does not wait for a sync that is under way.
    fn add(&self, upto: Progress, batch: &[u8]) -> Result<(), Error>;

    /// Makes all durable that was added before.
    fn sync(&self) -> Result<(), Error>;

    /// Makes all durable that was added, and the next opening quick. Nothing is added after it.
    fn close(&self) -> Result<(), Error>;
}
