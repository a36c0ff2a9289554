//! Shape of rows: the fields that they have, and of which types these are. A JSON Schema says it
//! ([`RowSchema`](crate::RowSchema)).
//!
//! A shape is coarser than its schema: what several schemas say of one value is put together, so that each field has
//! one place. It is what queries need: whether a field is there, and what can be compared with it.

pub(crate) mod merge;
pub(crate) mod read;

use serde_json::Value;

/// Paths that are named when somebody asks for one that is not there.
const NEAREST: usize = 3;

/// Paths that are compared with one that is not there: of tables with more fields some.
const COMPARED_PATHS: usize = 2_000;

/// How alike two paths are, from 0 to 1, for the one to be taken for a misspelling of the other.
const ALIKE: f64 = 0.6;

/// Types that a value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOL: Self = Self(1 << 1);
    pub const NUMBER: Self = Self(1 << 2);
    pub const TEXT: Self = Self(1 << 3);
    pub const ARRAY: Self = Self(1 << 4);
    pub const OBJECT: Self = Self(1 << 5);
    pub const ALL: Self = Self((1 << 6) - 1);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::NULL, "null"),
        (Self::BOOL, "a boolean"),
        (Self::NUMBER, "a number"),
        (Self::TEXT, "a text"),
        (Self::ARRAY, "an array"),
        (Self::OBJECT, "an object"),
    ];

    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a value may have one of these.
    pub fn allow(self, types: Self) -> bool {
        self.and(types) != Self::NONE
    }

    /// Whether a value has one of these and no other.
    pub fn are_within(self, types: Self) -> bool {
        self.and(types) == self
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = Self::NAMES.iter().filter(|(kind, _)| self.allow(*kind)).map(|(_, name)| *name);
        formatter.write_str(&names.collect::<Vec<_>>().join(" or "))
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub(crate) types: Types,
    /// Members of an object by name: those that are always there in the order in which the schema requires them, then
    /// the others.
    pub(crate) members: Vec<(String, Shape)>,
    pub(crate) others: Others,
    /// Of an array; none: they may be anything.
    pub(crate) elements: Option<Box<Shape>>,
    /// Not for readers (`writeOnly`).
    pub(crate) is_hidden: bool,
}

/// The members of an object that have no name in its schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Others {
    /// There are none.
    None,
    /// Each is of this shape.
    Each(Box<Shape>),
    /// There may be any.
    Any,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place<'a> {
    Declared(&'a Shape),
    /// Nothing is said of it: it may be there.
    Open,
    /// It is never there, or not for readers.
    Unknown,
}

impl Default for Shape {
    /// May be anything.
    fn default() -> Self {
        Self { types: Types::ALL, members: Vec::new(), others: Others::Any, elements: None, is_hidden: false }
    }
}

impl Shape {
    pub fn types(&self) -> Types {
        self.types
    }

    pub fn members(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.members.iter().map(|(name, shape)| (name.as_str(), shape))
    }

    pub fn others(&self) -> &Others {
        &self.others
    }

    pub fn elements(&self) -> Option<&Shape> {
        self.elements.as_deref()
    }

    pub fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Whether something is hidden within.
    pub fn hides(&self) -> bool {
        let each = if let Others::Each(each) = &self.others { Some(&**each) } else { None };
        let within = self.members().map(|(_, shape)| shape).chain(each).chain(self.elements());
        within.into_iter().any(|shape| shape.is_hidden || shape.hides())
    }

    /// Whether it is an object (or null) whose members all have names in the schema.
    pub fn is_record(&self) -> bool {
        self.types.are_within(Types::OBJECT.or(Types::NULL)) && self.others == Others::None
    }

    pub fn text() -> Self {
        Self { types: Types::TEXT, others: Others::None, ..Self::default() }
    }

    /// An object with these members.
    pub fn record(members: Vec<(String, Shape)>) -> Self {
        Self { types: Types::OBJECT, members, others: Others::None, ..Self::default() }
    }

    /// A path as filters write it: `delay.mean`, `tags[]`, `stops[].airport`.
    pub fn at(&self, path: &str) -> Place<'_> {
        let Some((array, within)) = path.split_once("[]") else { return self.below(path) };
        let elements = match self.below(array) {
            Place::Declared(shape) if shape.types.allow(Types::ARRAY) => shape.elements(),
            Place::Declared(_) | Place::Unknown => return Place::Unknown,
            Place::Open => None,
        };
        match (elements, within.strip_prefix('.')) {
            (Some(element), None) if within.is_empty() => Place::Declared(element),
            (Some(element), Some(within)) => element.below(within),
            // A path leads through one array at most.
            (Some(_), None) => Place::Unknown,
            (None, _) => Place::Open,
        }
    }

    /// A path of members.
    fn below(&self, path: &str) -> Place<'_> {
        let mut here = self;
        for name in path.split('.') {
            match here.member(name) {
                Place::Declared(shape) => here = shape,
                place => return place,
            }
        }
        Place::Declared(here)
    }

    /// A member of an object.
    pub fn member(&self, name: &str) -> Place<'_> {
        if !self.types.allow(Types::OBJECT) {
            return Place::Unknown;
        }
        match (self.members.iter().find(|(known, _)| known == name), &self.others) {
            (Some((_, shape)), _) if shape.is_hidden => Place::Unknown,
            (Some((_, shape)), _) => Place::Declared(shape),
            (None, Others::Each(shape)) => Place::Declared(shape),
            (None, Others::Any) => Place::Open,
            (None, Others::None) => Place::Unknown,
        }
    }

    /// The paths that are most like one that is not there.
    pub fn nearest(&self, path: &str) -> Vec<String> {
        let mut known = Vec::new();
        self.paths("", &mut known);
        let mut alike: Vec<_> = known
            .into_iter()
            .map(|known| (likeness(path, &known), known))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .collect();
        alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        alike.into_iter().map(|(_, known)| known).take(NEAREST).collect()
    }

    /// All paths that have names, without those of hidden members.
    fn paths(&self, prefix: &str, known: &mut Vec<String>) {
        for (name, shape) in self.members().filter(|(_, shape)| !shape.is_hidden) {
            if known.len() >= COMPARED_PATHS {
                return;
            }
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            shape.paths(&path, known);
            if let Some(elements) = shape.elements().filter(|_| !path.contains("[]")) {
                let elements_path = format!("{path}[]");
                elements.paths(&elements_path, known);
                known.push(elements_path);
            }
            known.push(path);
        }
    }

    /// Where a value is not of this shape, and how, if it is not.
    pub fn misfit(&self, value: &Value) -> Option<String> {
        let is = Types::of(value);
        if !self.types.allow(is) {
            return Some(format!(" is {is}, not {}", self.types));
        }
        let within = |place: String, shape: &Shape, value: &Value| {
            shape.misfit(value).map(|how| if how.starts_with(' ') { place + &how } else { format!("{place}.{how}") })
        };
        match value {
            Value::Object(members) => members.iter().find_map(|(name, value)| {
                let known = self.members.iter().find(|(known, _)| known == name).map(|(_, shape)| shape);
                match (known, &self.others) {
                    (Some(shape), _) => within(name.clone(), shape, value),
                    (None, Others::Each(shape)) => within(name.clone(), shape, value),
                    (None, Others::Any) => None,
                    (None, Others::None) => Some(format!("{name} is not declared")),
                }
            }),
            Value::Array(values) => {
                let shape = self.elements()?;
                (0_usize..).zip(values).find_map(|(at, value)| {
                    let how = shape.misfit(value)?;
                    Some(if how.starts_with(' ') { format!("[{at}]{how}") } else { format!("[{at}].{how}") })
                })
            }
            _ => None,
        }
    }
}

/// How alike two paths or names are, from 0 to 1: as wholes, or the name at the end alone, as somebody may have left
/// out where it stands.
pub fn likeness(wanted: &str, known: &str) -> f64 {
    let last = |path: &str| {
        path.rsplit(['.', ']']).find(|name| !name.is_empty()).map(|name| name.trim_end_matches('[').to_lowercase())
    };
    let whole = strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &known.to_lowercase());
    match (last(wanted), last(known)) {
        (Some(wanted), Some(known)) => whole.max(strsim::normalized_damerau_levenshtein(&wanted, &known) * 0.95),
        _ => whole,
    }
}
