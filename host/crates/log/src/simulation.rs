//! A log on a drive of somebody else's making, for simulations: no thread syncs it, and it ends as in a crash when it
//! is told to.

use kinora_storage::Storage;

pub use crate::commit::drive::{Chore, Drive, DriveFile, Running, Way};
use crate::commit::journal;
use crate::commit::opening;
pub use crate::commit::site::Site;
use crate::error::Error;
use crate::log::{Log, Options};

/// Opens the log of a site, or makes a new one there.
pub fn open(storage: &Storage, site: &Site, options: Options) -> Result<Log, Error> {
    Log::of(opening::open(storage, site, options.durability, options.keep_requests)?, options)
}

/// Makes all durable that is written. A failure ends the log, as it does in the thread that syncs at intervals.
pub fn sync(log: &Log) -> Result<(), Error> {
    log.appender().sync().inspect_err(|error| log.appender().poison(&error.to_string()))
}

/// Moves what is in memory to tables, as RocksDB does when it likes.
pub fn flush(log: &Log) -> Result<(), Error> {
    journal::flush(log.db())
}

/// Ends the log where it is: nothing is written any more, not even when it is closed.
pub fn crash(log: Log) {
    log.appender().poison("it has crashed");
}
