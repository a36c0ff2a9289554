//! The modules of a crate, with what each defines, brings in and hands on: enough of Rust's rules to say which file a
//! path leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, Item, Lit, Meta, UseTree};

use crate::names::{Names, is_for_tests};

/// A module by its path from the root of the crate: `["log", "writer"]`.
pub type ModulePath = Vec<String>;

pub struct Module {
    pub file: PathBuf,
    /// What is defined here, modules left out.
    items: BTreeSet<String>,
    /// What is brought in, by the name that it has here.
    uses: Vec<(String, Vec<String>)>,
    globs: Vec<Vec<String>>,
    /// All paths that the code of this module names.
    pub named: BTreeSet<Vec<String>>,
}

pub struct Modules(pub BTreeMap<ModulePath, Module>);

/// A path that leads back to itself over re-exports is not followed for ever.
const DEPTH: usize = 16;

impl Modules {
    /// Reads a crate from its root file on. `text` gives what is in a file, if there is one.
    pub fn read(root: &Path, text: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self(BTreeMap::new());
        let folder = root.parent().unwrap().to_owned();
        modules.file(Vec::new(), root, &folder, text);
        modules
    }

    fn file(&mut self, path: ModulePath, file: &Path, folder: &Path, text: &dyn Fn(&Path) -> Option<String>) {
        let content = text(file).unwrap_or_else(|| panic!("{} cannot be read", file.display()));
        let parsed = syn::parse_file(&content).unwrap_or_else(|cause| panic!("{}: {cause}", file.display()));
        self.module(path, file, folder, parsed.items, text);
    }

    /// `folder` is where the files of this module's own modules are.
    fn module(
        &mut self,
        path: ModulePath,
        file: &Path,
        folder: &Path,
        items: Vec<Item>,
        text: &dyn Fn(&Path) -> Option<String>,
    ) {
        let mut names = Names::default();
        let mut defined = BTreeSet::new();
        for item in items {
            match item {
                // What tests of a file use is not what the file needs.
                Item::Mod(module) if is_for_tests(&module.attrs) => {}
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
                    let below = folder.join(&name);
                    match (module.content, file_of(&module.attrs)) {
                        (Some((_, items)), _) => self.module(child, file, &below, items, text),
                        (None, Some(named)) => {
                            let file = file.parent().unwrap().join(named);
                            let below = file.parent().unwrap().to_owned();
                            self.file(child, &file, &below, text);
                        }
                        (None, None) => self.file(child, &folder.join(format!("{name}.rs")), &below, text),
                    }
                }
                item => {
                    defined.extend(name_of(&item));
                    names.add(&item);
                }
            }
        }
        let mut module =
            Module { file: file.to_owned(), items: defined, uses: Vec::new(), globs: Vec::new(), named: names.paths };
        for tree in &names.uses {
            module.bring_in(Vec::new(), tree);
        }
        self.0.insert(path, module);
    }

    /// The files that define what a path names, seen from a module. Nothing for what other crates define, and for
    /// modules that define nothing themselves: those are signposts.
    pub fn resolve(&self, from: &ModulePath, path: &[String]) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        self.follow(from, path, DEPTH, &mut files);
        files
    }

    fn follow(&self, from: &ModulePath, path: &[String], depth: usize, files: &mut BTreeSet<PathBuf>) {
        let (mut at, mut rest) = (from.clone(), path);
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            rest = others;
        }
        let Some(module) = self.0.get(&at) else { return };
        let Some((name, others)) = rest.split_first() else {
            if module.defines() {
                files.insert(module.file.clone());
            }
            return;
        };
        if module.items.contains(name) {
            files.insert(module.file.clone());
        }
        let child: ModulePath = at.iter().cloned().chain([name.clone()]).collect();
        if self.0.contains_key(&child) {
            self.follow(&child, others, depth, files);
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        for (_, target) in module.uses.iter().filter(|(brought, _)| brought == name) {
            let target: Vec<_> = target.iter().chain(others).cloned().collect();
            self.follow(&at, &target, depth, files);
        }
        for glob in &module.globs {
            let target: Vec<_> = glob.iter().chain(rest).cloned().collect();
            self.follow(&at, &target, depth, files);
        }
    }
}

impl Module {
    /// Whether there is more here than modules and what is handed on.
    pub fn defines(&self) -> bool {
        !self.items.is_empty()
    }

    fn bring_in(&mut self, before: Vec<String>, tree: &UseTree) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.bring_in(with(path.ident.to_string()), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.bring_in(before.clone(), tree)),
            UseTree::Glob(_) => {
                self.named.insert(before.clone());
                self.globs.push(before);
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.uses.push((before.last().unwrap().clone(), before.clone()));
                self.named.insert(before);
            }
            UseTree::Name(name) => {
                let path = with(name.ident.to_string());
                self.uses.push((name.ident.to_string(), path.clone()));
                self.named.insert(path);
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before } else { with(rename.ident.to_string()) };
                self.uses.push((rename.rename.to_string(), path.clone()));
                self.named.insert(path);
            }
        }
    }
}

/// `#[path = "..."]`
fn file_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(value) => match &value.lit {
                Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// The name that an item gives to something in this module. An `impl` gives none, but is code all the same.
fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Use(_) | Item::ExternCrate(_) => return None,
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => match &item.ident {
            Some(name) => name,
            None => return Some("a macro's".to_owned()),
        },
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return Some("an impl".to_owned()),
    };
    Some(name.to_string())
}
