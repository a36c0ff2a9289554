//! Probation: the time from the start of something that may end the host until it has proved well. A note of it is in a
//! file meanwhile, so whatever ends the host is known by its note when the host starts again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::durable::write_durably;

/// The notes of a host, each in a file of its own, with the name of what it is about.
#[derive(Debug)]
pub struct Probation {
    dir: PathBuf,
    notes: Mutex<BTreeMap<String, Known>>,
}

/// A note, as its file has it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Note {
    /// How often the host has ended meanwhile, without any progress between.
    ends: u32,
    /// How far it was when it began.
    from: u64,
    under_way: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    note: Note,
    /// Which of those that began under this name is under way.
    turn: u64,
}

impl Probation {
    /// Reads what notes are left. Those of what was under way are there because the host has not ended in order. What
    /// cannot be read or written, such as on a disk that is full, keeps nobody from starting.
    pub fn open(dir: &Path) -> Arc<Self> {
        let _ = std::fs::create_dir_all(dir);
        let mut notes = BTreeMap::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                // A file that was to take the place of another one.
                let _ = std::fs::remove_file(entry.path());
                continue;
            }
            // A note that cannot be read was cut short together with the host.
            let unread = Note { under_way: true, ..Note::default() };
            let read = std::fs::read(entry.path()).unwrap_or_default();
            let mut note: Note = serde_json::from_slice(&read).unwrap_or(unread);
            if note.under_way {
                note = Note { ends: note.ends.saturating_add(1), under_way: false, ..note };
                let _ = write(dir, &name, note);
            }
            notes.insert(name, Known { note, turn: 0 });
        }
        Arc::new(Self { dir: dir.to_owned(), notes: Mutex::new(notes) })
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the host has ended while this was on probation.
    pub fn ends(&self, name: &str) -> u32 {
        self.notes().get(name).map_or(0, |known| known.note.ends)
    }

    /// The same, once it is known how far it is: what has moved since its note was made does not end the host in the
    /// same place again, so only the last end counts.
    pub fn ends_at(&self, name: &str, at: u64) -> u32 {
        let mut notes = self.notes();
        let Some(known) = notes.get_mut(name) else { return 0 };
        if known.note.from != at {
            known.note.ends = known.note.ends.min(1);
        }
        known.note.ends
    }

    /// Notes that this begins, from so far on. It is noted until the answer is told that it proved well, or is dropped.
    pub fn begin(self: &Arc<Self>, name: &str, from: u64) -> OnProbation {
        let mut notes = self.notes();
        let known = notes.entry(name.to_owned()).or_default();
        known.note = Note { from, under_way: true, ..known.note };
        known.turn += 1;
        let turn = known.turn;
        let unnoted = write(&self.dir, name, known.note).err();
        drop(notes);
        OnProbation { probation: Arc::clone(self), name: name.to_owned(), turn, unnoted }
    }

    /// Gives what is not run any more by itself one more time, for whoever asks for it.
    pub fn spare(&self, name: &str) -> io::Result<()> {
        let mut notes = self.notes();
        let Some(known) = notes.get_mut(name) else { return Ok(()) };
        known.note.ends = known.note.ends.min(1);
        write(&self.dir, name, known.note)
    }

    /// Forgets what there is no more.
    pub fn forget(&self, name: &str) {
        self.notes().remove(name);
        remove(&self.dir, name);
    }

    /// How many are on probation now.
    pub fn under_way(&self) -> usize {
        self.notes().values().filter(|known| known.note.under_way).count()
    }

    /// The host ends in order: nothing that is under way is to blame for it.
    pub fn rest(&self) {
        let names: Vec<_> = self.notes().iter().map(|(name, known)| (name.clone(), known.turn)).collect();
        names.iter().for_each(|(name, turn)| self.end(name, *turn, false));
    }

    fn end(&self, name: &str, turn: u64, proved_well: bool) {
        let mut notes = self.notes();
        let Some(known) = notes.get_mut(name).filter(|known| known.turn == turn && known.note.under_way) else {
            return;
        };
        known.note.under_way = false;
        if proved_well {
            known.note.ends = 0;
        }
        // A note that stays by mistake costs a start that waits a little.
        match known.note.ends {
            0 => remove(&self.dir, name),
            _ => drop(write(&self.dir, name, known.note)),
        }
    }
}

fn write(dir: &Path, name: &str, note: Note) -> io::Result<()> {
    write_durably(&dir.join(name), &serde_json::to_vec(&note)?)
}

fn remove(dir: &Path, name: &str) {
    let _ = std::fs::remove_file(dir.join(name));
}

/// Something on probation. Without a word it is taken to have ended in order.
#[must_use]
#[derive(Debug)]
pub struct OnProbation {
    probation: Arc<Probation>,
    name: String,
    turn: u64,
    /// Why there is no note of it, if there is none: then nobody will know what has ended the host.
    pub unnoted: Option<io::Error>,
}

impl OnProbation {
    /// It has done what it was started for, and the host is still there.
    pub fn proved_well(self) {
        self.probation.end(&self.name, self.turn, true);
    }
}

impl Drop for OnProbation {
    fn drop(&mut self) {
        self.probation.end(&self.name, self.turn, false);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Begins, and ends without a word to anybody, as a killed host does.
    fn killed_while(dir: &Path, name: &str, from: u64) {
        std::mem::forget(Probation::open(dir).begin(name, from));
    }

    #[test]
    fn what_was_under_way_when_the_host_was_killed_is_known_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        for ends in 1..=3 {
            killed_while(dir.path(), "it", 7);
            let known = Probation::open(dir.path());
            assert_eq!((known.ends("it"), known.ends_at("it", 7), known.ends("other")), (ends, ends, 0));
            assert_eq!(known.under_way(), 0);
        }
    }

    #[test]
    fn whoever_gets_further_each_time_has_ended_the_host_once_at_most() {
        let dir = tempfile::tempdir().unwrap();
        for from in 0..3 {
            killed_while(dir.path(), "it", from);
            let known = Probation::open(dir.path());
            assert_eq!(known.ends_at("it", from + 1), 1);
        }
    }

    #[test]
    fn an_end_in_order_leaves_no_note_and_what_was_known_before_stays_known_until_it_proves_well() {
        let dir = tempfile::tempdir().unwrap();
        drop(Probation::open(dir.path()).begin("it", 0));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        killed_while(dir.path(), "it", 0);
        let known = Probation::open(dir.path());
        let running = known.begin("it", 0);
        assert_eq!(known.under_way(), 1);
        known.rest();
        drop(running);
        assert_eq!(Probation::open(dir.path()).ends("it"), 1);
        known.begin("it", 0).proved_well();
        assert_eq!(Probation::open(dir.path()).ends("it"), 0);
    }

    #[test]
    fn a_disk_that_takes_no_note_keeps_nobody_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let known = Probation::open(&file);
        let running = known.begin("it", 0);
        assert!(running.unnoted.is_some() && known.under_way() == 1);
        drop(running);
        assert_eq!((known.under_way(), known.ends("it")), (0, 0));
    }

    #[test]
    fn what_began_again_is_not_ended_by_what_began_before() {
        let dir = tempfile::tempdir().unwrap();
        let known = Probation::open(dir.path());
        let (first, second) = (known.begin("it", 0), known.begin("it", 0));
        drop(first);
        assert_eq!(known.under_way(), 1);
        second.proved_well();
        assert_eq!(known.under_way(), 0);
    }

    #[test]
    fn a_note_that_was_cut_short_counts_and_one_that_is_spared_has_one_more_time() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("it"), "{\"ends\": 1, \"fr").unwrap();
        assert_eq!(Probation::open(dir.path()).ends("it"), 1);
        killed_while(dir.path(), "it", 0);
        let known = Probation::open(dir.path());
        assert_eq!(known.ends("it"), 2);
        known.spare("it").unwrap();
        assert_eq!(Probation::open(dir.path()).ends("it"), 1);
        known.forget("it");
        assert_eq!(Probation::open(dir.path()).ends("it"), 0);
    }
}
