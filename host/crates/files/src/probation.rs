//! Probation: the time from the start of something that may end the host until it has proved well. A note of it is in a
//! file meanwhile, so whatever ends the host is known by its note when the host starts again.
//!
//! A host is killed for many reasons, and most of them are no fault of what it runs. So a note says, too, in which
//! place code of others was running, if any was. Twice in the same place is no chance.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// How often the host has ended in the same place, or anywhere, before that is put down to what was on probation.
const ENDS_IN_PLACE: u32 = 2;
const ENDS: u32 = 10;

/// What the name of the file ends with that says in which place something is; no name of a note does.
const PLACE: &str = ".at";

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
    /// Where it was when the host ended last, and how often in a row.
    #[serde(default)]
    place: Option<u64>,
    #[serde(default)]
    in_place: u32,
}

impl Note {
    /// The host has ended without order while it was in this place.
    fn ended(self, place: Option<u64>) -> Self {
        let same = place.is_some() && place == self.place;
        let in_place = if same { self.in_place.saturating_add(1) } else { u32::from(place.is_some()) };
        Self { ends: self.ends.saturating_add(1), under_way: false, place, in_place, ..self }
    }

    /// Only the last end counts.
    fn spared(self) -> Self {
        Self { ends: self.ends.min(1), in_place: self.in_place.min(1), ..self }
    }
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
            if name.ends_with(PLACE) {
                continue;
            }
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
                note = note.ended(place(dir, &name));
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

    /// Whether what has happened so often is put down to it.
    pub fn is_to_blame(&self, name: &str) -> bool {
        let note = self.notes().get(name).map(|known| known.note).unwrap_or_default();
        note.in_place >= ENDS_IN_PLACE || note.ends >= ENDS
    }

    /// How far it is now: if it has moved since its note was made, only the last end counts.
    pub fn stands_at(&self, name: &str, at: u64) {
        if let Some(known) = self.notes().get_mut(name).filter(|known| known.note.from != at) {
            known.note = known.note.spared();
        }
    }

    /// Notes that this begins, from so far on. It is noted until the answer is told that it proved well, or is dropped.
    pub fn begin(self: &Arc<Self>, name: &str, from: u64) -> OnProbation {
        let mut notes = self.notes();
        let known = notes.entry(name.to_owned()).or_default();
        known.note = Note { from, under_way: true, ..known.note };
        known.turn += 1;
        let turn = known.turn;
        let place = File::create(self.dir.join(format!("{name}{PLACE}"))).ok();
        let place = place.map(|file| Arc::new(Said { file, is_over: AtomicBool::new(false) }));
        let unnoted = write(&self.dir, name, known.note).err();
        drop(notes);
        OnProbation { probation: Arc::clone(self), name: name.to_owned(), turn, place: Place(place), unnoted }
    }

    /// Has a note outlive the machine, too. Whoever begins need not wait for that.
    pub fn sync(&self, name: &str) {
        // One that is gone by now is about what has proved well.
        if let Ok(note) = File::open(self.dir.join(name)) {
            let _ = note.sync_all();
            let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
        }
    }

    /// Gives what is not run any more by itself one more time, for whoever asks for it.
    pub fn spare(&self, name: &str) -> io::Result<()> {
        let mut notes = self.notes();
        let Some(known) = notes.get_mut(name) else { return Ok(()) };
        known.note = known.note.spared();
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
            known.note = Note::default();
        }
        // A note that stays by mistake costs a start that waits a little.
        match known.note.ends {
            0 => remove(&self.dir, name),
            _ => drop(write(&self.dir, name, known.note)),
        }
    }
}

/// Replaces a note. The end of this process loses nothing of it; see [`Probation::sync`] for that of the machine.
fn write(dir: &Path, name: &str, note: Note) -> io::Result<()> {
    let new = dir.join(format!(".{name}"));
    std::fs::write(&new, serde_json::to_vec(&note)?)?;
    std::fs::rename(new, dir.join(name))
}

fn remove(dir: &Path, name: &str) {
    let _ = std::fs::remove_file(dir.join(name));
    let _ = std::fs::remove_file(dir.join(format!("{name}{PLACE}")));
}

/// In which place something was when the host ended, if it was in any.
fn place(dir: &Path, name: &str) -> Option<u64> {
    let bytes = std::fs::read(dir.join(format!("{name}{PLACE}"))).ok()?;
    let place = bytes.try_into().map(u64::from_le_bytes).ok()?;
    (place != NOWHERE).then_some(place)
}

/// In no place.
const NOWHERE: u64 = u64::MAX;

/// Where to say in which place something is. A process that ends loses nothing of it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Place(Option<Arc<Said>>);

/// Where it is said.
#[derive(Debug)]
struct Said {
    file: File,
    /// Nobody wants to know any more.
    is_over: AtomicBool,
}

/// In a place, until it is dropped.
#[must_use]
pub struct InPlace<'a>(&'a Place);

impl Place {
    /// From here on code of others runs.
    pub fn enter(&self, place: u64) -> InPlace<'_> {
        self.say(place);
        InPlace(self)
    }

    #[cfg(unix)]
    fn say(&self, place: u64) {
        use std::os::unix::fs::FileExt;
        if let Some(said) = self.0.as_ref().filter(|said| !said.is_over.load(Ordering::Relaxed)) {
            // Without it there is less to go by.
            let _ = said.file.write_all_at(&place.to_le_bytes(), 0);
        }
    }

    /// Elsewhere ends are only counted.
    #[cfg(not(unix))]
    fn say(&self, _: u64) {}
}

impl Drop for InPlace<'_> {
    fn drop(&mut self) {
        self.0.say(NOWHERE);
    }
}

/// Something on probation. Without a word it is taken to have ended in order.
#[must_use]
#[derive(Debug)]
pub struct OnProbation {
    probation: Arc<Probation>,
    name: String,
    turn: u64,
    /// Where to say in which place it is.
    pub place: Place,
    /// Why there is no note of it, if there is none: then nobody will know what has ended the host.
    pub unnoted: Option<io::Error>,
}

impl OnProbation {
    /// It has done what it was started for, and the host is still there.
    pub fn proved_well(self) {
        if let Place(Some(said)) = &self.place {
            said.is_over.store(true, Ordering::Relaxed);
        }
        self.probation.end(&self.name, self.turn, true);
    }
}

impl Drop for OnProbation {
    fn drop(&mut self) {
        self.probation.end(&self.name, self.turn, false);
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Begins, and ends without a word to anybody, as a killed host does, in a place or outside of any.
    fn killed_while(dir: &Path, name: &str, from: u64, place: Option<u64>) {
        let running = Probation::open(dir).begin(name, from);
        if let Some(place) = place {
            std::mem::forget(running.place.enter(place));
        } else {
            drop(running.place.enter(1));
        }
        std::mem::forget(running);
    }

    #[test]
    fn what_has_ended_the_host_twice_in_one_place_is_to_blame() {
        let dir = tempfile::tempdir().unwrap();
        for ends in 1..=3 {
            killed_while(dir.path(), "it", 7, Some(9));
            let known = Probation::open(dir.path());
            known.stands_at("it", 7);
            assert_eq!((known.ends("it"), known.is_to_blame("it")), (ends, ends >= 2));
            assert_eq!((known.ends("other"), known.is_to_blame("other"), known.under_way()), (0, false, 0));
        }
    }

    #[test]
    fn ends_in_other_places_or_outside_of_any_are_chance_until_there_are_many() {
        let dir = tempfile::tempdir().unwrap();
        for ends in 1..=ENDS {
            killed_while(dir.path(), "it", 7, (ends % 3 > 0).then_some(u64::from(ends)));
            assert_eq!(Probation::open(dir.path()).is_to_blame("it"), ends == ENDS);
        }
    }

    #[test]
    fn whoever_gets_further_each_time_is_not_to_blame() {
        let dir = tempfile::tempdir().unwrap();
        for from in 0..5 {
            killed_while(dir.path(), "it", from, Some(9));
            let known = Probation::open(dir.path());
            known.stands_at("it", from + 1);
            assert!(known.ends("it") == 1 && !known.is_to_blame("it"));
        }
    }

    #[test]
    fn an_end_in_order_leaves_no_note_and_what_was_known_before_stays_known_until_it_proves_well() {
        let dir = tempfile::tempdir().unwrap();
        drop(Probation::open(dir.path()).begin("it", 0));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        killed_while(dir.path(), "it", 0, Some(9));
        let known = Probation::open(dir.path());
        let running = known.begin("it", 0);
        assert_eq!(known.under_way(), 1);
        known.rest();
        drop(running);
        assert_eq!(Probation::open(dir.path()).ends("it"), 1);
        Probation::open(dir.path()).begin("it", 0).proved_well();
        assert_eq!(Probation::open(dir.path()).ends("it"), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_disk_that_takes_no_note_keeps_nobody_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let known = Probation::open(&file);
        let running = known.begin("it", 0);
        drop(running.place.enter(1));
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
    fn a_note_that_was_cut_short_counts_and_what_is_spared_has_one_more_time() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("it"), "{\"ends\": 1, \"fr").unwrap();
        assert_eq!(Probation::open(dir.path()).ends("it"), 1);
        for _ in 0..2 {
            killed_while(dir.path(), "it", 0, Some(9));
        }
        let known = Probation::open(dir.path());
        assert!(known.is_to_blame("it"));
        known.spare("it").unwrap();
        assert!(!Probation::open(dir.path()).is_to_blame("it"));
        killed_while(dir.path(), "it", 0, Some(9));
        assert!(Probation::open(dir.path()).is_to_blame("it"));
        known.forget("it");
        assert_eq!(Probation::open(dir.path()).ends("it"), 0);
    }
}
