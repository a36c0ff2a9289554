//! Read models against a model of a few lines: random rows, commits, restarts, and lists with filters, orders, limits
//! and cursors.

use std::collections::BTreeMap;
use std::path::Path;

use kinora_api::grammar::Filter;
use kinora_readmodel::{
    CommitMode, Error, Explanation, Figure, FigureKind, KeyRange, ListQuery, Most, Order, RowFilter, StatisticsQuery,
    Store, Writes, diff,
};
use kinora_server::Translation;
use kinora_storage::Storage;
use kinora_tests::property;
use kinora_types::{Budget, IndexSpec, Progress, TableSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn tables() -> Vec<TableSpec> {
    let index = |name: &str, paths: &[&str]| IndexSpec {
        name: name.into(),
        paths: paths.iter().map(|path| (*path).into()).collect(),
        unique: false,
    };
    let indexes =
        vec![index("by_n", &["n"]), index("by_group", &["group", "-deep.n"]), index("by_tag", &["tags[]", "n"])];
    let table = |name: &str, key: &str, indexes| TableSpec {
        name: name.into(),
        key: key.into(),
        schema: None,
        indexes,
        history: None,
    };
    vec![table("rows", "key", indexes), table("parts", "day/route", Vec::new())]
}

/// A table that declares nothing, with all the parts that keys have in these tests.
pub fn undeclared() -> TableSpec {
    let key = "day/route/month/time/flight/number".to_owned();
    TableSpec { name: "rows".into(), key, schema: None, indexes: Vec::new(), history: None }
}

/// As a client writes it.
fn filter(name: &str, text: &str) -> RowFilter {
    Translation::new(&undeclared()).filter(&Filter::parse(name, text).unwrap()).unwrap()
}

fn ordered(text: &str) -> Vec<Order> {
    Translation::new(&undeclared()).order(&text.parse().unwrap()).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(&Storage::default(), dir, &tables()).unwrap()
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        prop_oneof![Just(-0.5), Just(0.0), Just(1.5)].prop_map(Value::from),
        "[ab\0]{0,2}".prop_map(Value::from),
    ]
}

fn row() -> impl Strategy<Value = Option<Value>> {
    let tags = prop::option::of(prop::collection::vec("[ab]", 0..3));
    let row = (value(), value(), value(), tags)
        .prop_map(|(n, group, deep, tags)| json!({"n": n, "group": group, "deep": {"n": deep}, "tags": tags}));
    prop_oneof![1 => Just(None), 4 => row.prop_map(Some)]
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(String, Option<Value>)>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::vec(("[a-d]{1,2}", row()), 0..6);
    prop_oneof![4 => rows.prop_map(Step::Commit), 1 => Just(Step::Restart)]
}

/// A condition, apart from the code under test.
#[derive(Clone, Debug)]
enum Asked {
    Test { field: &'static str, negated: bool, operator: &'static str, text: &'static str },
    Tag { negated: bool, tags: Vec<String> },
    Group { joined_by: &'static str, negated: bool, inner: Vec<Asked> },
}

fn asked() -> impl Strategy<Value = Asked> {
    let operator = prop_oneof![Just("eq"), Just("gt"), Just("gte"), Just("lt"), Just("lte"), Just("neq"), Just("in")];
    let text = prop_oneof![Just("1"), Just("-2"), Just("0.0"), Just("a"), Just("\"1\""), Just("true"), Just("1.5")];
    let field = prop_oneof![Just("n"), Just("group"), Just("deep.n")];
    let test = (field.clone(), any::<bool>(), operator, text)
        .prop_map(|(field, negated, operator, text)| Asked::Test { field, negated, operator, text });
    let key = (any::<bool>(), prop_oneof![Just("eq"), Just("gte"), Just("lt"), Just("like")], "[a-d]{1,2}").prop_map(
        |(negated, operator, text)| {
            let text: &'static str = Box::leak(text.into_boxed_str());
            Asked::Test { field: "key", negated, operator, text }
        },
    );
    let null = (field, any::<bool>()).prop_map(|(field, negated)| Asked::Test {
        field,
        negated,
        operator: "is",
        text: "null",
    });
    let tag =
        (any::<bool>(), prop::collection::vec("[ab]", 1..3)).prop_map(|(negated, tags)| Asked::Tag { negated, tags });
    let leaf = prop_oneof![4 => test, 1 => key, 1 => null, 1 => tag];
    leaf.prop_recursive(2, 8, 3, |inner| {
        (prop_oneof![Just("and"), Just("or")], any::<bool>(), prop::collection::vec(inner, 1..4))
            .prop_map(|(joined_by, negated, inner)| Asked::Group { joined_by, negated, inner })
    })
}

impl Asked {
    /// As a parameter: name and value.
    fn parameter(&self) -> (String, String) {
        let not = |negated: &bool| if *negated { "not." } else { "" };
        match self {
            Self::Test { field, negated, operator, text } => {
                let text = match *operator {
                    "in" => format!("({text},b)"),
                    "like" => format!("{text}*"),
                    _ => (*text).to_owned(),
                };
                ((*field).to_owned(), format!("{}{operator}.{text}", not(negated)))
            }
            Self::Tag { negated, tags } => ("tags".to_owned(), format!("{}cs.{{{}}}", not(negated), tags.join(","))),
            Self::Group { joined_by, negated, inner } => {
                let inner: Vec<_> = inner.iter().map(Self::term).collect();
                (format!("{}{joined_by}", not(negated)), format!("({})", inner.join(",")))
            }
        }
    }

    fn term(&self) -> String {
        let (name, value) = self.parameter();
        if matches!(self, Self::Group { .. }) { format!("{name}{value}") } else { format!("{name}.{value}") }
    }

    /// As SQL has it: unknown where null is compared.
    fn holds(&self, key: &str, row: &Value) -> Option<bool> {
        match self {
            Self::Test { field, negated, operator, text } => {
                let key = Value::from(key);
                let found = at(&key, row, field);
                let parsed = serde_json::from_str(text).ok().filter(|_| *field != "key");
                let wanted: Value = parsed.unwrap_or_else(|| Value::from(*text));
                let (a, b) = (rank(found), rank(&wanted));
                let same_kind = a.0 == b.0 || (a.0.min(b.0) == 1 && a.0.max(b.0) == 1);
                let order = a.1.total_cmp(&(b.1 + 0.0)).then(a.2.cmp(&b.2));
                let equal = same_kind && order.is_eq();
                let holds = match *operator {
                    "is" => Some(found.is_null()),
                    _ if found.is_null() => None,
                    "eq" => Some(equal),
                    "neq" => Some(!equal),
                    "in" => Some(equal || found == "b"),
                    "like" => Some(found.as_str().unwrap().starts_with(*text)),
                    _ if !same_kind => None,
                    "gt" => Some(order.is_gt()),
                    "gte" => Some(order.is_ge()),
                    "lt" => Some(order.is_lt()),
                    _ => Some(order.is_le()),
                };
                holds.map(|holds| holds != *negated)
            }
            Self::Tag { negated, tags } => {
                let found = row["tags"].as_array()?;
                let holds = tags.iter().all(|tag| found.iter().any(|found| found == tag));
                Some(holds != *negated)
            }
            Self::Group { joined_by, negated, inner } => {
                let inner: Vec<_> = inner.iter().map(|inner| inner.holds(key, row)).collect();
                let (stops, goes) = if *joined_by == "and" { (false, true) } else { (true, false) };
                let holds = if inner.contains(&Some(stops)) {
                    Some(stops)
                } else if inner.contains(&None) {
                    None
                } else {
                    Some(goes)
                };
                holds.map(|holds| holds != *negated)
            }
        }
    }
}

type Wanted = (Vec<Asked>, Vec<(&'static str, bool)>);

fn query() -> impl Strategy<Value = Wanted> {
    let field = prop_oneof![Just("n"), Just("group"), Just("deep.n"), Just("key")];
    (prop::collection::vec(asked(), 0..3), prop::collection::vec((field, any::<bool>()), 0..4))
}

fn parse((asked, order): &Wanted, limit: usize) -> ListQuery {
    let mut query = ListQuery { table: "rows".into(), limit, ..ListQuery::default() };
    for asked in asked {
        let (name, value) = asked.parameter();
        query.filter.and(filter(&name, &value));
    }
    let order: Vec<_> =
        order.iter().map(|(field, down)| if *down { format!("-{field}") } else { (*field).into() }).collect();
    if !order.is_empty() {
        query.order = ordered(&order.join(","));
    }
    query
}

/// All rows of a query, page by page, looked for in both ways.
fn list(store: &Store, query: &ListQuery) -> Vec<(String, Value)> {
    // One snapshot for all queries between two commits, so that iterators are used again.
    let (snapshot, mut query, mut found) = (store.latest().unwrap(), query.clone(), Vec::new());
    loop {
        let page = snapshot.list(&query, &Budget::unlimited()).unwrap();
        if let Some(from_memory) = snapshot.list_from_memory(&query, &Budget::unlimited()).unwrap() {
            assert_eq!(from_memory, page, "{query:?}");
        }
        assert!(page.rows.len() <= query.limit);
        found.extend(page.rows.into_iter().map(|row| (row.key, serde_json::from_str(&row.json).unwrap())));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

/// null < false < true < numbers < texts.
fn rank(value: &Value) -> (u8, f64, String) {
    match value {
        Value::Null => (0, 0.0, String::new()),
        Value::Bool(flag) => (1, f64::from(u8::from(*flag)), String::new()),
        Value::Number(number) => (2, number.as_f64().unwrap() + 0.0, String::new()),
        Value::String(text) => (3, 0.0, text.clone()),
        _ => unreachable!(),
    }
}

fn at<'a>(key: &'a Value, row: &'a Value, path: &str) -> &'a Value {
    match path {
        "key" => key,
        "deep.n" => &row["deep"]["n"],
        _ => &row[path],
    }
}

/// What an order compares of a row.
fn places(order: &[(&'static str, bool)], key: &str, row: &Value) -> Vec<(u8, f64, String)> {
    let key = Value::from(key);
    order.iter().map(|(field, _)| rank(at(&key, row, field))).collect()
}

/// All rows that a query has, in its order; those that it does not tell apart by key.
fn expected(model: &BTreeMap<String, Value>, (asked, order): &Wanted) -> Vec<(String, Value)> {
    let mut rows: Vec<(String, Value)> = model.clone().into_iter().collect();
    rows.retain(|(key, row)| asked.iter().all(|asked| asked.holds(key, row) == Some(true)));
    rows.sort_by(|(a, left), (b, right)| {
        let both = places(order, a, left).into_iter().zip(places(order, b, right)).zip(order);
        let mut compared = both.map(|((x, y), (_, descending))| {
            let order = x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.cmp(&y.2));
            if *descending { order.reverse() } else { order }
        });
        compared.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn lists_are_what_a_model_says(
        steps in prop::collection::vec(step(), 1..8),
        queries in prop::collection::vec((query(), 1_usize..4), 12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut model: BTreeMap<String, Value> = BTreeMap::new();
        let mut progress = 0;
        for step in steps {
            match step {
                Step::Commit(rows) => {
                    let mut writes = Writes::default();
                    for (key, row) in rows {
                        writes.set(0, &key, row.as_ref().map(|row| row.to_string().into_bytes()).as_deref());
                        match row {
                            Some(row) => model.insert(key, row),
                            None => model.remove(&key),
                        };
                    }
                    progress += 1;
                    store.commit(&writes, Progress(progress), CommitMode::Logged).unwrap();
                }
                Step::Restart => {
                    drop(store);
                    store = open(dir.path());
                }
            }
            prop_assert_eq!(store.checkpoint().unwrap(), Progress(progress));
        }
        for (wanted, limit) in queries {
            let query = parse(&wanted, limit);
            let mut found = list(&store, &query);
            let mut expected = expected(&model, &wanted);
            let order = |rows: &[(String, Value)]| -> Vec<_> {
                rows.iter().map(|(key, row)| places(&wanted.1, key, row)).collect()
            };
            prop_assert_eq!(order(&found), order(&expected), "{:?} {:?}", &query, &expected);
            let counted = store.snapshot().unwrap().count(&query, &Budget::unlimited());
            prop_assert_eq!(counted.unwrap(), expected.len() as u64);
            // What the order does not tell apart may come in either.
            found.sort_by(|a, b| a.0.cmp(&b.0));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(found, expected, "{:?}", &query);
        }
    }

    #[test]
    fn pages_lose_and_repeat_nothing_that_stays_while_other_rows_change(
        rows in prop::collection::btree_map("[a-d]{1,3}", (0_i64..4, 0_i64..4), 1..24),
        changes in prop::collection::vec(("[a-d]{1,3}", prop::option::of((0_i64..4, 0_i64..4))), 0..24),
        order in prop::sample::select(vec!["n", "-n", "group,-deep.n", "deep.n,key", "key", "-key"]),
        limit in 1_usize..4,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let json = |(n, group): (i64, i64)| json!({"n": n, "group": group, "deep": {"n": n * group}}).to_string();
        let mut progress = 0;
        let mut commit = |rows: Vec<(String, Option<(i64, i64)>)>| {
            let mut writes = Writes::default();
            for (key, row) in rows {
                writes.set(0, &key, row.map(|row| json(row).into_bytes()).as_deref());
            }
            progress += 1;
            store.commit(&writes, Progress(progress), CommitMode::Logged).unwrap();
        };
        commit(rows.iter().map(|(key, row)| (key.clone(), Some(*row))).collect());
        let mut query = ListQuery { table: "rows".into(), limit, order: ordered(order), ..ListQuery::default() };
        let mut changes = changes.into_iter();
        let (mut found, mut changed) = (Vec::new(), std::collections::BTreeSet::new());
        loop {
            let page = store.snapshot().unwrap().list(&query, &Budget::unlimited()).unwrap();
            found.extend(page.rows.into_iter().map(|row| row.key));
            let Some(next) = page.next else { break };
            query.cursor = Some(next);
            let now: Vec<_> = changes.by_ref().take(2).collect();
            changed.extend(now.iter().map(|(key, _)| key.clone()));
            commit(now);
        }
        for key in rows.keys().filter(|key| !changed.contains(*key)) {
            prop_assert_eq!(found.iter().filter(|found| *found == key).count(), 1, "{} in {:?}", key, &found);
        }
    }

    #[test]
    fn a_scan_sees_what_is_pending_on_top_of_what_is_committed(
        committed in prop::collection::btree_map("[a-d]{1,2}", 0_u32..9, 0..8),
        pending in prop::collection::btree_map("[a-d]{1,2}", prop::option::of(0_u32..9), 0..8),
        start in prop::option::of("[a-d]{1,2}"),
        end in prop::option::of("[a-d]{1,2}"),
        reverse in any::<bool>(),
        limit in 1_usize..12,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let json = |n: &u32| format!(r#"{{"n":{n}}}"#).into_bytes();
        let (mut writes, mut model) = (Writes::default(), BTreeMap::new());
        for (key, n) in &committed {
            writes.set(0, key, Some(&json(n)));
            model.insert(key.clone(), json(n));
        }
        store.commit(&writes, Progress(1), CommitMode::UntilFlushed).unwrap();
        writes.clear();
        for (key, n) in &pending {
            writes.set(0, key, n.as_ref().map(json).as_deref());
            match n {
                Some(n) => model.insert(key.clone(), json(n)),
                None => model.remove(key),
            };
        }
        let range = KeyRange { start: start.clone(), end: end.clone(), reverse };
        let found = store.scan(0, &range, &Most::rows(limit, &Budget::unlimited()), &writes).unwrap().rows;
        let within = |key: &String| {
            start.as_ref().is_none_or(|start| key >= start) && end.as_ref().is_none_or(|end| key < end)
        };
        let mut expected: Vec<_> = model.into_iter().filter(|(key, _)| within(key)).collect();
        if reverse {
            expected.reverse();
        }
        expected.truncate(limit);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_snapshot_stays_as_it_was_and_a_diff_finds_what_has_changed_since() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let commit = |rows: &[(&str, Option<&str>)], progress| {
        let mut writes = Writes::default();
        for (key, row) in rows {
            writes.set(0, key, row.map(str::as_bytes));
        }
        store.commit(&writes, Progress(progress), CommitMode::Logged).unwrap();
    };
    commit(&[("gone", Some(r#"{"n":1}"#)), ("kept", Some(r#"{"n":1, "m": 2}"#)), ("new", Some(r#"{"n":1}"#))], 1);
    let before = store.snapshot().unwrap();
    commit(
        &[("gone", None), ("kept", Some(r#"{"m":2,"n":1}"#)), ("new", Some(r#"{"n":2,"o":3}"#)), ("z", Some("{}"))],
        2,
    );
    let after = store.snapshot().unwrap();
    assert_eq!((before.checkpoint(), after.checkpoint()), (Progress(1), Progress(2)));
    assert_eq!(before.get("rows", "new").unwrap().unwrap(), br#"{"n":1}"#);
    assert_ne!(before.digest(&Budget::unlimited()).unwrap(), after.digest(&Budget::unlimited()).unwrap());
    assert_eq!(
        after.digest(&Budget::unlimited()).unwrap(),
        store.snapshot().unwrap().digest(&Budget::unlimited()).unwrap()
    );

    let found = &diff(&before, &after, 10, &Budget::unlimited()).unwrap().tables[0];
    assert_eq!((found.rows_from, found.rows_to), (3, 3));
    assert_eq!(
        (found.added, found.removed, found.changed, found.unchanged),
        (1, 1, 1, 1),
        "written otherwise is not changed"
    );
    assert_eq!(found.changed_fields, BTreeMap::from([("n".to_owned(), 1), ("o".to_owned(), 1)]));
    assert_eq!(found.samples.len(), 3);
}

#[test]
fn a_read_model_of_other_tables_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut others = tables();
    others[0].name = "others".into();
    let error = Store::open(&Storage::default(), dir.path(), &others).err().unwrap();
    assert!(error.to_string().contains("its tables are others"), "{error}");
}

/// Rows of some keys, or their ends, commit by commit.
fn commits() -> impl Strategy<Value = Vec<BTreeMap<String, Option<i64>>>> {
    let commit = prop::collection::btree_map("[ab]{1,2}", prop::option::of(0_i64..4), 0..4);
    prop::collection::vec(commit, 1..12)
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn rows_are_what_they_were_as_far_back_as_their_history_reaches(
        commits in commits(),
        retention in 0_u64..6,
        restart in 0_usize..12,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let tables = || {
            let mut tables = table("key", &[("by_n", &["n"], false)]);
            tables[0].history = Some(retention);
            tables
        };
        let open = || Store::open(&Storage::default(), dir.path(), &tables()).unwrap();
        let mut store = open();
        let mut states = vec![BTreeMap::new()];
        for (number, commit) in commits.iter().enumerate() {
            if number == restart {
                drop(store);
                store = open();
            }
            let (mut writes, mut state) = (Writes::default(), states.last().unwrap().clone());
            for (key, n) in commit {
                let row = n.map(|n| json!({"n": n}));
                writes.set(0, key, row.as_ref().map(|row| row.to_string().into_bytes()).as_deref());
                match row {
                    Some(row) => state.insert(key.clone(), row),
                    None => state.remove(key),
                };
            }
            states.push(state);
            store.commit(&writes, Progress(number as u64 + 1), CommitMode::Logged).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let now = commits.len() as u64;
        let horizon = if retention == 0 { 0 } else { now.saturating_sub(retention) };
        let mut query = ListQuery { table: "rows".into(), limit: 2, order: ordered("-n"), ..ListQuery::default() };
        query.filter.and(filter("n", "gte.1"));
        for (progress, state) in (0..).zip(&states) {
            let found = snapshot.list_at(&query, Progress(progress), &Budget::unlimited());
            if progress < horizon {
                let refused = matches!(found, Err(Error::BeyondHistory { .. }));
                prop_assert!(refused);
                continue;
            }
            let mut expected: Vec<_> = state.iter().filter(|(_, row)| row["n"].as_i64() >= Some(1)).collect();
            expected.sort_by_key(|(key, row)| (-row["n"].as_i64().unwrap(), (*key).clone()));
            let counted = snapshot.count_at(&query, Progress(progress), &Budget::unlimited());
            prop_assert_eq!(counted.unwrap(), expected.len() as u64);
            let figures = vec![Figure::new("sum(n)", FigureKind::Sum, Some("n".into())).unwrap()];
            let filter = query.filter.clone();
            let sum = StatisticsQuery { table: "rows".into(), filter, figures, ..StatisticsQuery::default() };
            let summed = snapshot.statistics_at(&sum, Progress(progress), &Budget::unlimited()).unwrap();
            let sum = summed.groups[0].figures["sum(n)"].as_i64();
            prop_assert_eq!(sum.unwrap_or(0), expected.iter().map(|(_, row)| row["n"].as_i64().unwrap()).sum::<i64>());
            let mut found = Vec::new();
            query.cursor = None;
            loop {
                let page = snapshot.list_at(&query, Progress(progress), &Budget::unlimited()).unwrap();
                let row = |row: kinora_readmodel::Row| (row.key, serde_json::from_str::<Value>(&row.json).unwrap());
                found.extend(page.rows.into_iter().map(row));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(found.iter().map(|(key, row)| (key, row)).collect::<Vec<_>>(), expected, "at {}", progress);
            for key in ["a", "b", "aa", "ab", "ba", "bb"] {
                let row = snapshot.get_at("rows", key, Progress(progress)).unwrap();
                prop_assert_eq!(row.map(|row| serde_json::from_slice::<Value>(&row).unwrap()), state.get(key).cloned());
            }
        }
        // What is too old goes with the next commit that writes to the table.
        let mut writes = Writes::default();
        writes.set(0, "c", Some(br#"{"n":0}"#));
        store.commit(&writes, Progress(now + 1), CommitMode::Logged).unwrap();
        let snapshot = store.snapshot().unwrap();
        let horizon = if retention == 0 { 0 } else { (now + 1).saturating_sub(retention) };
        for key in ["a", "b", "aa", "ab", "ba", "bb"] {
            let versions = snapshot.versions("rows", key, 100, &Budget::unlimited()).unwrap();
            let old = versions.iter().filter(|version| version.progress.0 <= horizon).count();
            prop_assert!(old <= 1, "{} keeps {:?}, though nothing before {} can be asked for", key, versions, horizon);
        }
    }
}

/// A store with these rows in its first table.
fn filled(dir: &Path, tables: &[TableSpec], rows: impl IntoIterator<Item = (String, Value)>) -> Store {
    let store = Store::open(&Storage::default(), dir, tables).unwrap();
    let mut writes = Writes::default();
    rows.into_iter().for_each(|(key, row)| writes.set(0, &key, Some(row.to_string().as_bytes())));
    store.commit(&writes, Progress(1), CommitMode::Logged).unwrap();
    store
}

fn table(key: &str, indexes: &[(&str, &[&str], bool)]) -> Vec<TableSpec> {
    let index = |(name, paths, unique): &(&str, &[&str], bool)| IndexSpec {
        name: (*name).into(),
        paths: paths.iter().map(|path| (*path).into()).collect(),
        unique: *unique,
    };
    let indexes = indexes.iter().map(index).collect();
    vec![TableSpec { name: "rows".into(), key: key.into(), schema: None, indexes, history: None }]
}

fn explained(store: &Store, filters: &[(&str, &str)], order: &str) -> Explanation {
    let mut query = ListQuery { table: "rows".into(), limit: 10, ..ListQuery::default() };
    filters.iter().for_each(|(field, text)| query.filter.and(filter(field, text)));
    if !order.is_empty() {
        query.order = ordered(order);
    }
    let mut explanation = Explanation::default();
    let _ = store.snapshot().unwrap().list_explained(&query, &mut explanation, &Budget::unlimited());
    explanation
}

#[test]
fn the_best_index_is_read_and_a_large_scan_is_refused_with_the_index_that_would_help() {
    let dir = tempfile::tempdir().unwrap();
    let tables = table("key", &[("by_a", &["a"], false), ("by_a_b", &["a", "-b"], false), ("by_c", &["c"], false)]);
    let row = |n: i64| (format!("{n:05}"), json!({"a": n % 10, "b": n, "c": n % 5_000, "d": n % 7}));
    let store = filled(dir.path(), &tables, (0..30_000).map(row));
    let used = |filters: &[(&str, &str)], order: &str| {
        let explanation = explained(&store, filters, order);
        assert_eq!(explanation.refused, None);
        (explanation.index.unwrap_or_default(), explanation.sorts, explanation.entries_visited)
    };
    assert_eq!(used(&[("a", "eq.3")], "b.desc"), ("by_a_b".into(), false, 10));
    assert_eq!(used(&[("a", "eq.3")], "b"), ("by_a_b".into(), false, 10));
    assert_eq!(used(&[("a", "eq.3"), ("b", "gt.20000")], ""), ("by_a_b".into(), false, 10));
    assert_eq!(used(&[("a", "eq.3"), ("c", "eq.3")], ""), ("by_c".into(), false, 6));
    assert_eq!(used(&[("c", "in.(1,2,3)")], "b"), ("by_c".into(), true, 18), "few rows are sorted");
    assert_eq!(used(&[("key", "like.0001*")], "key.desc"), (String::new(), false, 10));

    let refused = explained(&store, &[("d", "eq.3")], "b.desc");
    assert_eq!(refused.helpful_index, Some(vec!["d".into(), "-b".into()]));
    assert!(refused.refused.unwrap().contains("an index on [d, -b] would serve it"));
    let mut query = ListQuery { table: "rows".into(), limit: 10, ..ListQuery::default() };
    query.filter.and(filter("d", "eq.9"));
    let error = store.snapshot().unwrap().list(&query, &Budget::unlimited()).unwrap_err();
    assert!(matches!(error, Error::BeyondBudget { .. }), "{error}");
    query.scan = true;
    assert_eq!(store.snapshot().unwrap().list(&query, &Budget::unlimited()).unwrap().rows.len(), 0);
}

#[test]
fn a_page_from_memory_does_not_walk_through_all_that_was_deleted_behind_its_range() {
    let dir = tempfile::tempdir().unwrap();
    let row = |n: i64| (format!("{n:05}"), json!({"n": n}));
    let store = filled(dir.path(), &table("key", &[("by_n", &["n"], false)]), (0..10_000).map(row));
    let mut writes = Writes::default();
    (0..9_000).for_each(|n| writes.set(0, &row(n).0, None));
    store.commit(&writes, Progress(2), CommitMode::Logged).unwrap();
    let snapshot = store.latest().unwrap();
    for order in ["n.desc", "key.desc"] {
        for (field, value) in [("n", "gte.9000"), ("key", "gte.09000")] {
            let ask = |limit| {
                let mut query = ListQuery { table: "rows".into(), limit, ..ListQuery::default() };
                query.filter.and(filter(field, value));
                query.order = ordered(order);
                query
            };
            let by_one = order.starts_with(field);
            let rows = |page: &kinora_readmodel::Page| page.rows.len();
            let few = snapshot.list_from_memory(&ask(5), &Budget::unlimited()).unwrap();
            assert_eq!(few.as_ref().map(rows), by_one.then_some(5), "{field} {order}");
            // The end of its range is behind the last row, and nothing but deleted ones follow.
            let all = snapshot.list_from_memory(&ask(1_001), &Budget::unlimited()).unwrap();
            assert_eq!(all.as_ref().map(rows), None, "{field} {order}");
            assert_eq!(rows(&snapshot.list(&ask(1_001), &Budget::unlimited()).unwrap()), 1_000);
            // An iterator that gave up is not used again.
            assert_eq!(snapshot.list_from_memory(&ask(5), &Budget::unlimited()).unwrap(), few);
        }
    }
}

#[test]
fn parts_of_a_key_are_filtered_like_fields() {
    let dir = tempfile::tempdir().unwrap();
    let days = ["2013", "2013-01", "2013-01-01", "2013-01-02", "2013.5", "2014"];
    let routes = ["EWR", "EWR-IAH", "a%2Fb"];
    let rows = days.iter().flat_map(|day| routes.map(|route| (format!("{day}/{route}"), json!({"n": 1}))));
    let store = filled(dir.path(), &table("day/route", &[]), rows);
    let keys = |filters: &[(&str, &str)]| {
        let mut query = ListQuery { table: "rows".into(), limit: 100, ..ListQuery::default() };
        filters.iter().for_each(|(field, text)| query.filter.and(filter(field, text)));
        let mut explanation = Explanation::default();
        let rows =
            store.snapshot().unwrap().list_explained(&query, &mut explanation, &Budget::unlimited()).unwrap().rows;
        (rows.into_iter().map(|row| row.key).collect::<Vec<_>>(), explanation.entries_visited)
    };
    for day in days {
        assert_eq!(keys(&[("key.day", &format!("eq.{day}"))]).0, routes.map(|route| format!("{day}/{route}")), "{day}");
        for (operator, holds) in [("gte", (|a, b| a >= b) as fn(&str, &str) -> bool), ("lt", |a, b| a < b)] {
            let mut expected: Vec<_> = days
                .iter()
                .filter(|d| holds(d, day))
                .flat_map(|d| routes.map(|route| format!("{d}/{route}")))
                .collect();
            expected.sort();
            assert_eq!(keys(&[("key.day", &format!("{operator}.{day}"))]).0, expected, "{operator} {day}");
        }
    }
    assert_eq!(keys(&[("key.route", "eq.a/b"), ("key.day", "eq.2014")]), (vec!["2014/a%2Fb".into()], 1));
    let mut query = ListQuery { table: "rows".into(), limit: 1, ..ListQuery::default() };
    query.filter.and(filter("key.month", "eq.1"));
    let error = store.snapshot().unwrap().list(&query, &Budget::unlimited()).unwrap_err().to_string();
    assert!(error.contains("their parts are day, route"), "{error}");
}

#[test]
fn what_is_unique_stays_so_and_a_row_can_pass_its_value_on() {
    let dir = tempfile::tempdir().unwrap();
    let tables = table("key", &[("by_mail", &["mail"], true)]);
    let mail = |mail: &str| json!({"mail": mail});
    let store =
        filled(dir.path(), &tables, [("a".into(), mail("x")), ("b".into(), json!({})), ("c".into(), json!({}))]);
    let commit = |rows: &[(&str, Option<Value>)]| {
        let mut writes = Writes::default();
        for (key, row) in rows {
            writes.set(0, key, row.as_ref().map(|row| row.to_string().into_bytes()).as_deref());
        }
        store.commit(&writes, Progress(2), CommitMode::Logged)
    };
    let error = commit(&[("b", Some(mail("x")))]).unwrap_err().to_string();
    assert!(error.contains("\"b\"") && error.contains("\"a\"") && error.contains("by_mail"), "{error}");
    assert!(commit(&[("b", Some(mail("y"))), ("c", Some(mail("y")))]).is_err());
    assert_eq!(store.get_many(0, &["b"]).unwrap(), [Some(b"{}".to_vec())], "nothing of it was committed");
    commit(&[("a", Some(mail("z"))), ("b", Some(mail("x")))]).unwrap();
    commit(&[("a", Some(mail("z")))]).unwrap();
    commit(&[("b", None), ("c", Some(mail("x")))]).unwrap();
}
