//! Names that occur in many flights, kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// A name among those of a history. There are about 4,200: aircraft, airports and carriers.
#[derive(Clone, Copy, Debug)]
pub struct Name(u16);

#[derive(Default)]
pub struct Names {
    known: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// `None` if there are more names than a `Name` can tell apart.
    pub fn note(&mut self, text: &str) -> Option<Name> {
        if let Some(name) = self.known.get(text) {
            return Some(*name);
        }
        let name = Name(u16::try_from(self.texts.len()).ok()?);
        let text: Arc<str> = text.into();
        self.known.insert(Arc::clone(&text), name);
        self.texts.push(text);
        Some(name)
    }

    /// The text of a name that these names have noted; of any other, nothing.
    pub fn text(&self, name: Name) -> Arc<str> {
        self.texts.get(usize::from(name.0)).cloned().unwrap_or_default()
    }
}
