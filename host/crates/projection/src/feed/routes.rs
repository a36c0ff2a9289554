//! Routes: what becomes of an event of each type and schema. A guest handles it, an upcaster changes it, or it is
//! passed over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kinora_sandbox::UpcasterManifest;
use kinora_types::{EventType, Position, RESERVED};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The projector takes it, as this entry of `handles`.
    Handle(u32),
    /// An upcaster takes it, as this one of its steps.
    Step { upcaster: u32, step: u32 },
    /// The projector passes it over.
    Ignore,
}

/// Stands for all types in a projector's `ignores`.
const ALL: &str = "*";

/// The routes of one version. What is in none of them is a fault.
#[derive(Clone)]
pub struct Routes {
    /// By type, then by schema: a type has few schemas.
    exact: HashMap<String, Vec<(u32, Route)>>,
    ignored: HashSet<String>,
    ignores_all: bool,
    handled: BTreeMap<String, BTreeSet<u32>>,
    /// Events that somebody has told this version to pass over.
    skipped: BTreeSet<Position>,
}

impl Routes {
    /// Joins the types that a guest handles, and the names of those that it passes over, with upcasters.
    ///
    /// # Errors
    /// A sentence, if two upcasters take the same input, if steps go round in a circle, or if what comes out of a step
    /// goes nowhere.
    pub fn new(handles: &[EventType], ignores: &[String], upcasters: &[&UpcasterManifest]) -> Result<Self, String> {
        let mut routes = Self {
            exact: HashMap::new(),
            ignored: ignores.iter().cloned().collect(),
            ignores_all: ignores.iter().any(|name| name == ALL),
            handled: BTreeMap::new(),
            skipped: BTreeSet::new(),
        };
        for (kind, handled) in (0..).zip(handles) {
            routes.add(handled, Route::Handle(kind));
            routes.handled.entry(handled.name.clone()).or_default().insert(handled.schema);
        }
        let mut taken: BTreeMap<&EventType, &str> = BTreeMap::new();
        for (upcaster, manifest) in (0..).zip(upcasters) {
            for (step, declared) in (0..).zip(&manifest.steps) {
                if let Some(other) = taken.insert(&declared.from, &manifest.name) {
                    return Err(format!(
                        "{} is taken by two upcasters, {other} and {}: leave one of them out",
                        declared.from, manifest.name
                    ));
                }
                // What the projector takes itself needs no upcaster.
                if routes.of(&declared.from.name, declared.from.schema).is_none_or(|route| route == Route::Ignore) {
                    routes.add(&declared.from, Route::Step { upcaster, step });
                }
            }
        }
        for manifest in upcasters {
            for step in &manifest.steps {
                for output in &step.to {
                    if routes.of(&output.name, output.schema).is_none() {
                        return Err(format!(
                            "upcaster {} makes {output} of {}, but {}",
                            manifest.name,
                            step.from,
                            routes.explain(&output.name, output.schema)
                        ));
                    }
                }
                routes.check_circles(step.from.clone(), upcasters)?;
            }
        }
        Ok(routes)
    }

    fn add(&mut self, event: &EventType, route: Route) {
        self.exact.entry(event.name.clone()).or_default().push((event.schema, route));
    }

    /// Passes over the events at these positions, whatever they are.
    pub fn skipping(mut self, skipped: BTreeSet<Position>) -> Self {
        self.skipped = skipped;
        self
    }

    pub fn skips(&self, position: Position) -> bool {
        self.skipped.contains(&position)
    }

    /// What becomes of the event at this position; `None` if nobody knows its type and schema.
    pub fn at(&self, position: Position, name: &str, schema: u32) -> Option<Route> {
        if !self.skipped.is_empty() && self.skips(position) {
            return Some(Route::Ignore);
        }
        self.of(name, schema)
    }

    /// What becomes of this type and schema; `None` if nobody knows it.
    pub fn of(&self, name: &str, schema: u32) -> Option<Route> {
        let exact = self.exact.get(name).and_then(|known| known.iter().find(|(known, _)| *known == schema));
        if let Some((_, route)) = exact {
            return Some(*route);
        }
        // `*` is meant for other types, not for a schema of a handled type that nobody has thought of. The host's own
        // events are about projections, so only a projector that names them is interested.
        let own = name.starts_with(RESERVED) && !self.handled.contains_key(name);
        let ignored = own || self.ignored.contains(name) || (self.ignores_all && !self.handled.contains_key(name));
        ignored.then_some(Route::Ignore)
    }

    /// Why an event has no route, and what to do about it.
    pub fn explain(&self, name: &str, schema: u32) -> String {
        match self.handled.get(name) {
            Some(schemas) => {
                let schemas: Vec<_> = schemas.iter().map(u32::to_string).collect();
                format!(
                    "the projector handles {name} in schema {} only, and no upcaster brings it there from schema \
                     {schema}: deploy with an upcaster that has this step",
                    schemas.join(", ")
                )
            }
            None => format!(
                "the projector neither handles nor ignores {name} schema {schema}: name it in describe(), or deploy \
                 with an upcaster that makes something of it"
            ),
        }
    }

    /// Follows the steps from an event; every path has to end.
    fn check_circles(&self, from: EventType, upcasters: &[&UpcasterManifest]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(event) = open.pop() {
            let Some(Route::Step { upcaster, step }) = self.of(&event.name, event.schema) else { continue };
            let manifest = upcasters.get(upcaster as usize);
            let outputs = manifest.and_then(|manifest| manifest.steps.get(step as usize)).map(|step| &step.to);
            for output in outputs.into_iter().flatten() {
                if *output == from {
                    return Err(format!("the upcasters bring {from} back to itself: a chain has to end"));
                }
                if seen.insert(output) {
                    open.push(output.clone());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_sandbox::{Needs, Step};

    fn kind(name: &str, schema: u32) -> EventType {
        EventType::new(name, schema).unwrap()
    }

    fn routes(handles: &[(&str, u32)], ignores: &[&str], upcasters: &[&UpcasterManifest]) -> Result<Routes, String> {
        let handles: Vec<_> = handles.iter().map(|(name, schema)| kind(name, *schema)).collect();
        let ignores: Vec<_> = ignores.iter().map(|name| (*name).to_owned()).collect();
        Routes::new(&handles, &ignores, upcasters)
    }

    type StepOf<'a> = ((&'a str, u32), &'a [(&'a str, u32)]);

    fn upcaster(steps: &[StepOf<'_>]) -> UpcasterManifest {
        let step = |((name, schema), to): &StepOf<'_>| Step {
            from: kind(name, *schema),
            to: to.iter().map(|(name, schema)| kind(name, *schema)).collect(),
        };
        UpcasterManifest { name: "u".into(), steps: steps.iter().map(step).collect(), needs: Needs::default() }
    }

    #[test]
    fn an_event_goes_to_the_projector_an_upcaster_or_past_and_otherwise_nowhere() {
        let steps = upcaster(&[(("A", 1), &[("A", 2)]), (("A", 2), &[("A", 3), ("B", 1)])]);
        let routes = routes(&[("A", 3), ("B", 1)], &["C"], &[&steps]).unwrap();
        assert_eq!(routes.of("A", 3), Some(Route::Handle(0)));
        assert_eq!(routes.of("A", 1), Some(Route::Step { upcaster: 0, step: 0 }));
        assert_eq!(routes.of("C", 9), Some(Route::Ignore));
        assert_eq!((routes.of("A", 4), routes.of("B", 2), routes.of("D", 1)), (None, None, None));
        assert!(routes.explain("A", 4).contains("schema 3 only"), "{}", routes.explain("A", 4));
        assert!(routes.explain("D", 1).contains("neither handles nor ignores"), "{}", routes.explain("D", 1));
    }

    #[test]
    fn ignoring_everything_does_not_hide_a_new_schema_of_what_is_handled() {
        let routes = routes(&[("A", 1)], &["*"], &[]).unwrap();
        assert_eq!((routes.of("Z", 1), routes.of("A", 2)), (Some(Route::Ignore), None));
    }

    #[test]
    fn chains_that_make_no_sense_are_refused() {
        let (one, two) = (upcaster(&[(("A", 1), &[("A", 2)])]), upcaster(&[(("A", 1), &[("A", 2)])]));
        let refused = |upcasters: &[&UpcasterManifest]| routes(&[("A", 2)], &[], upcasters).err().unwrap();
        assert!(refused(&[&one, &two]).contains("two upcasters"));
        let circle = upcaster(&[(("A", 1), &[("B", 1)]), (("B", 1), &[("A", 1)])]);
        assert!(refused(&[&circle]).contains("back to itself"));
        let gap = upcaster(&[(("A", 1), &[("A", 3)])]);
        assert!(refused(&[&gap]).contains("A schema 3"));
    }
}
