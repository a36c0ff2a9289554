//! The arrows between crates, checked against the tables of `host/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Package, WORKSPACE};

const HEADING: &str = "## Who may depend on whom";

/// The two tables below the heading: what a crate may depend on in the workspace, and who may name a crate of others.
struct Rules {
    inner: BTreeMap<String, BTreeSet<String>>,
    outer: BTreeMap<String, BTreeSet<String>>,
}

impl Rules {
    fn parse(document: &str) -> Self {
        let section = document.split_once(&format!("{HEADING}\n")).expect("ARCHITECTURE.md has the heading").1;
        let section = section.split("\n## ").next().unwrap();
        let mut tables = section.split("\n\n").filter(|part| part.trim_start().starts_with('|')).map(Self::table);
        Self { inner: tables.next().expect("a table of crates"), outer: tables.next().expect("a table of walls") }
    }

    /// Rows of names in backquotes: those of the first cell, and for each of them those of the second.
    fn table(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut table = BTreeMap::new();
        for row in text.trim().lines().skip(2) {
            let cells: Vec<_> = row.trim().trim_matches('|').split('|').map(quoted).collect();
            for name in &cells[0] {
                let twice = table.insert(name.clone(), cells[1].iter().cloned().collect());
                assert!(twice.is_none(), "`{name}` has two rows");
            }
        }
        table
    }

    /// What a package does that the tables do not allow.
    fn breaches(&self, package: &Package) -> Vec<String> {
        let name = short(&package.name);
        let Some(allowed) = self.inner.get(name) else { return vec![format!("`{name}` has no row")] };
        let mut breaches = Vec::new();
        for dependency in &package.dependencies {
            let other = short(&dependency.name);
            if dependency.path.is_some() && !allowed.contains(other) {
                breaches.push(format!("`{name}` may not depend on `{other}`"));
            }
            if self.outer.get(other).is_some_and(|who| !who.contains(name)) {
                breaches.push(format!("`{name}` may not name `{other}`"));
            }
        }
        breaches
    }
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Crates as the document calls them: `log` is `kinora-log`.
fn short(package: &str) -> &str {
    package.strip_prefix("kinora-").unwrap_or(package)
}

fn rules() -> Rules {
    Rules::parse(&std::fs::read_to_string(WORKSPACE.root.join("host/ARCHITECTURE.md")).unwrap())
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let rules = rules();
    let breaches: Vec<_> = WORKSPACE.packages.iter().flat_map(|package| rules.breaches(package)).collect();
    assert!(breaches.is_empty(), "host/ARCHITECTURE.md, {HEADING}:\n{}", breaches.join("\n"));
}

#[test]
fn the_tables_speak_of_crates_that_there_are() {
    let rules = rules();
    let packages: BTreeSet<_> = WORKSPACE.packages.iter().map(|package| short(&package.name)).collect();
    let named: BTreeSet<_> =
        rules.inner.values().chain(rules.outer.values()).flatten().chain(rules.inner.keys()).collect();
    let missing: Vec<_> = named.into_iter().filter(|name| !packages.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no package has these names: {missing:?}");
    let used: BTreeSet<_> = WORKSPACE
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| &dependency.name)
        .collect();
    let unused: Vec<_> = rules.outer.keys().filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "nobody names these: {unused:?}");
}

#[test]
fn an_arrow_that_is_not_in_the_tables_is_found() {
    let rules = Rules::parse(
        "# A\n\n## Who may depend on whom\n\nWords.\n\n\
         | crate | may |\n|---|---|\n| `a`, `b` | `c` |\n| `c` | nothing |\n\n\
         | of others | only |\n|---|---|\n| `db` | `c` |\n\n## Next\n\n| `a` | `b` |\n|---|---|\n",
    );
    let package = |name: &str, inner: &[&str], outer: &[&str]| -> Package {
        let dependencies: Vec<_> = inner
            .iter()
            .map(|name| serde_json::json!({"name": name, "path": "/"}))
            .chain(outer.iter().map(|name| serde_json::json!({"name": name, "path": null})))
            .collect();
        let package = serde_json::json!({"name": name, "dependencies": dependencies, "targets": []});
        serde_json::from_value(package).unwrap()
    };
    assert_eq!(rules.breaches(&package("kinora-a", &["kinora-c"], &["serde"])), [""; 0]);
    assert_eq!(rules.breaches(&package("kinora-c", &[], &["db"])), [""; 0]);
    assert_eq!(rules.breaches(&package("kinora-a", &["kinora-b"], &[])), ["`a` may not depend on `b`"]);
    assert_eq!(rules.breaches(&package("b", &[], &["db"])), ["`b` may not name `db`"]);
    assert_eq!(rules.breaches(&package("kinora-d", &[], &[])), ["`d` has no row"]);
}
