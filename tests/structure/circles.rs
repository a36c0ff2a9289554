//! Circles of files: none may need itself by way of others, or neither can be understood, tested or moved alone.
//!
//! Re-exports lead to the file that defines the item, so a `foo.rs` that only lists its modules and what it hands on is
//! in no circle. What a file says of another by a method alone, without a name, is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::modules::Modules;
use crate::workspace::WORKSPACE;

/// From a file to those that it needs, each with a path that shows it.
type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

fn arrows(modules: &Modules) -> Arrows {
    let mut arrows = Arrows::new();
    let defining: BTreeSet<_> =
        modules.0.values().filter(|module| module.defines()).map(|module| &module.file).collect();
    for (at, module) in modules.0.iter().filter(|(_, module)| defining.contains(&module.file)) {
        let from = arrows.entry(module.file.clone()).or_default();
        for path in &module.named {
            for file in modules.resolve(at, path).into_iter().filter(|file| *file != module.file) {
                from.entry(file).or_insert_with(|| path.join("::"));
            }
        }
    }
    arrows
}

fn reached(arrows: &Arrows, from: &Path) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(file) = waiting.pop() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    reached
}

/// The sets of files that all need each other.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<PathBuf>> {
    let reached: BTreeMap<_, _> = arrows.keys().map(|file| (file, reached(arrows, file))).collect();
    let circle = |file: &PathBuf| -> BTreeSet<PathBuf> {
        let back = |other: &&PathBuf| reached.get(other).is_some_and(|reached| reached.contains(file));
        reached[file].iter().filter(back).cloned().collect()
    };
    arrows.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

/// A line for each arrow within a circle.
fn shown(arrows: &Arrows, circle: &BTreeSet<PathBuf>, name: &dyn Fn(&Path) -> String) -> String {
    let mut lines = format!("{} files need each other:", circle.len());
    for file in circle {
        for (other, path) in arrows[file].iter().filter(|(other, _)| circle.contains(*other)) {
            lines += &format!("\n  {} -> {} ({path})", name(file), name(other));
        }
    }
    lines
}

fn circles_of(root: &Path, text: &dyn Fn(&Path) -> Option<String>, name: &dyn Fn(&Path) -> String) -> Vec<String> {
    let arrows = arrows(&Modules::read(root, text));
    circles(&arrows).iter().map(|circle| shown(&arrows, circle, name)).collect()
}

#[test]
fn no_files_of_a_crate_need_each_other() {
    let mut found = Vec::new();
    for target in WORKSPACE.packages.iter().flat_map(|package| &package.targets) {
        found.extend(circles_of(&target.src_path, &|file| std::fs::read_to_string(file).ok(), &|file| {
            WORKSPACE.shown(file)
        }));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Circles of a crate that is written down here, a file and its text each.
fn in_crate(files: &[(&str, &str)]) -> Vec<String> {
    let text = |file: &Path| files.iter().find(|(name, _)| Path::new(name) == file).map(|(_, text)| text.to_string());
    circles_of(Path::new("lib.rs"), &text, &|file| file.display().to_string())
}

#[test]
fn a_circle_over_re_exports_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use b::two::Two;"),
        ("a.rs", "mod one; pub use one::One;"),
        ("a/one.rs", "use crate::Two; pub struct One; fn f() -> Two { Two }"),
        ("b.rs", "pub mod two;"),
        ("b/two.rs", "pub struct Two; fn g() { let _ = crate::a::One; }"),
    ];
    let expected = "2 files need each other:\n  a/one.rs -> b/two.rs (Two)\n  b/two.rs -> a/one.rs (crate::a::One)";
    assert_eq!(in_crate(&files), [expected]);
}

#[test]
fn circles_are_found_in_every_place_where_code_names_things() {
    let back = [
        "use super::a;",
        "use super::a as other; fn g() { other::One; }",
        "use crate::{a::{One as Uno}};",
        "use crate::a::*; fn g() -> One { panic!() }",
        "fn g() -> Vec<super::a::One> { Vec::new() }",
        "fn g() { use super::a::One; }",
        "use crate as root; fn g() { root::a::One; }",
        "fn g() { assert!(std::matches!(1, crate::a::ONE)); }",
        "#[derive(crate::a::Derive)] struct S;",
        "#[serde(with = \"crate::a::One\")] struct S;",
        "impl Iterator for super::a::One {}",
        "macro_rules! m { () => { $crate::a::One } }",
        "mod inner { use super::super::a::One; }",
        "pub(crate) type Uno = crate::a::One;",
    ];
    for back in back {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b; pub struct One; const ONE: u8 = 1; struct Derive; fn f() { b::f() }"),
            ("b.rs", &format!("{back} pub fn f() {{}}")),
        ];
        assert_eq!(in_crate(&files).len(), 1, "{back}");
    }
}

#[test]
fn what_is_no_circle_is_none() {
    let fine = [
        "use super::c::Three;",
        "pub(super) struct S; pub(in crate::a) struct T;",
        "#[cfg(test)] mod tests { use crate::a::One; }",
        "use crate::log::Log; extern crate log;",
        "use ::a::One;",
        "/// See [`crate::a::One`].\nstruct S;",
        "fn g() { println!(\"crate::a::One is a name\"); }",
    ];
    for fine in fine {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; pub use a::One;"),
            ("a.rs", "use super::b::f; pub struct One; fn g() { f() }"),
            ("b.rs", &format!("{fine} pub fn f() {{}}")),
            ("c.rs", "pub struct Three;"),
        ];
        assert_eq!(in_crate(&files), [""; 0], "{fine}");
    }
}

#[test]
fn a_parent_with_code_of_its_own_is_in_a_circle_with_a_child_that_needs_it() {
    let child = ("a/one.rs", "use super::Name; pub struct One(Name);");
    assert_eq!(
        in_crate(&[("lib.rs", "mod a;"), ("a.rs", "mod one; pub use one::One; pub struct Name;"), child]).len(),
        1
    );
    assert_eq!(in_crate(&[("lib.rs", "mod a;"), ("a.rs", "mod one; pub struct Name;"), child]), [""; 0]);
}
