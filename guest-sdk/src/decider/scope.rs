//! Scopes: which events a state is folded from.

/// The events that a state is folded from.
///
/// ```
/// use kinora_sdk::Scope;
///
/// assert_eq!(Scope::tags(["b:2", "a:1"]), Scope::tags(["a:1", "b:2"]));
/// assert_ne!(Scope::stream("account-2"), Scope::tags(["account:2"]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(pub(crate) Of);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Stream(String),
    /// Sorted, so that the same tags are the same scope.
    Tags(Vec<String>),
}

impl Scope {
    /// The events of one stream.
    pub fn stream(name: impl Into<String>) -> Self {
        Self(Of::Stream(name.into()))
    }

    /// The events that have all of these tags, whatever their stream.
    pub fn tags<T: Into<String>>(tags: impl IntoIterator<Item = T>) -> Self {
        let mut tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        tags.sort();
        tags.dedup();
        Self(Of::Tags(tags))
    }

    /// Whether an event in this stream and with these tags belongs here.
    pub(crate) fn has(&self, stream: &str, tags: &[String]) -> bool {
        match &self.0 {
            Of::Stream(name) => name == stream,
            Of::Tags(all) => all.iter().all(|tag| tags.contains(tag)),
        }
    }
}
