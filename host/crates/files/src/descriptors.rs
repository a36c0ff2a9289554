//! Descriptors of this process: how many it may have, and how many it has.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where the system shows those that are open.
const OPEN: [&str; 2] = ["/proc/self/fd", "/dev/fd"];

/// How many may be open; `None`: any number.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many it could be allowed; `None`: any number.
pub fn most() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// How many are open, where the system shows that.
pub fn open() -> Option<u64> {
    let entries = OPEN.iter().find_map(|dir| std::fs::read_dir(dir).ok())?;
    // To look takes one, too.
    Some((entries.count() as u64).saturating_sub(1))
}

/// Raises the limit to what the system lets this process have, and says how many that are.
pub fn raise() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(limit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_counted_and_the_limit_is_the_highest() {
        let before = open().unwrap();
        let files: Vec<_> = (0..50).map(|_| tempfile::tempfile().unwrap()).collect();
        assert!(open().unwrap() >= before.min(before + 50 - 20), "{before}");
        drop(files);
        assert_eq!(raise().unwrap(), most());
    }
}
