//! Raw access to the databases of a host that is not running, past all of its code: to do damage by hand.

use std::path::Path;

use rocksdb::{DB, Options};

/// Writes an entry, such as a row of a read model, with keys and values as they are on disk.
pub fn put_raw(database: &Path, key: &[u8], value: &[u8]) {
    DB::open_default(database).unwrap().put(key, value).unwrap();
}

/// Takes an entry out of a column family.
pub fn delete_raw(database: &Path, family: &str, key: &[u8]) {
    let options = Options::default();
    let db = DB::open_cf(&options, database, DB::list_cf(&options, database).unwrap()).unwrap();
    db.delete_cf(db.cf_handle(family).unwrap(), key).unwrap();
}
