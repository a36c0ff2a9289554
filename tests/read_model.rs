//! Read models against a model of a few lines: random rows, commits, restarts, and lists with filters, orders, limits
//! and cursors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use kinora::event::Progress;
use kinora::readmodel::{Durability, Filter, IndexSpec, KeyRange, ListQuery, Order, Store, TableSpec, Writes, diff};
use kinora::storage::Storage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn tables() -> Vec<TableSpec> {
    let index = |name: &str, paths: &[&str]| IndexSpec {
        name: name.into(),
        paths: paths.iter().map(|path| (*path).into()).collect(),
    };
    let indexes = vec![index("by_n", &["n"]), index("by_group", &["group", "deep.n"])];
    vec![TableSpec { name: "rows".into(), key: "key".into(), indexes }]
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
    let row =
        (value(), value(), value()).prop_map(|(n, group, deep)| json!({"n": n, "group": group, "deep": {"n": deep}}));
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

/// Filters and an order that one index can serve.
fn query() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let operator = prop_oneof![Just("eq"), Just("gt"), Just("gte"), Just("lt"), Just("lte"), Just("neq")];
    let text = prop_oneof![Just("1"), Just("-2"), Just("0.0"), Just("a"), Just("\"1\""), Just("null"), Just("true")];
    let filter = move |field: &'static str| {
        (operator.clone(), text.clone()).prop_map(move |(op, text)| format!("{field}={op}.{text}"))
    };
    let order = |fields: &'static str| {
        prop_oneof![Just(String::new()), Just(format!("{fields}.asc")), Just(format!("{fields}.desc"))]
    };
    let wrap = |order: String| if order.is_empty() { Vec::new() } else { vec![order] };
    prop_oneof![
        (filter("n"), order("n")).prop_map(move |(filter, order)| (vec![filter], wrap(order))),
        order("key").prop_map(move |order| (vec!["key=gte.b".into(), "key=lt.d".into()], wrap(order))),
        (filter("deep.n"), order("deep.n"))
            .prop_map(move |(filter, order)| (vec!["group=eq.a".into(), filter], wrap(order))),
        order("group").prop_map(move |order| (Vec::new(), wrap(order))),
        Just((vec!["key=like.a*".into()], Vec::new())),
    ]
}

fn parse(filters: &[String], order: &[String], limit: usize) -> ListQuery {
    let filter = |text: &String| {
        let (field, rest) = text.split_once('=').unwrap();
        Filter::parse(field, rest).unwrap()
    };
    ListQuery {
        table: "rows".into(),
        filters: filters.iter().map(filter).collect(),
        order: order.iter().flat_map(|order| Order::parse(order).unwrap()).collect(),
        limit,
        cursor: None,
    }
}

/// All rows of a query, page by page.
fn list(store: &Store, query: &ListQuery) -> Vec<(String, Value)> {
    let (snapshot, mut query, mut found) = (store.snapshot().unwrap(), query.clone(), Vec::new());
    loop {
        let page = snapshot.list(&query).unwrap();
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
        Value::Number(number) => (2, number.as_f64().unwrap(), String::new()),
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

fn expected(model: &BTreeMap<String, Value>, query: &ListQuery) -> Vec<(String, Value)> {
    let mut rows: Vec<(String, Value)> = model.clone().into_iter().collect();
    rows.retain(|(key, row)| {
        let key = Value::from(key.clone());
        query.filters.iter().all(|filter| filter.accepts(at(&key, row, &filter.field)))
    });
    if let Some(order) = query.order.first() {
        // An index goes on with its other fields, and ends with the key.
        let paths: &[&str] = match order.field.as_str() {
            "group" => &["group", "deep.n", "key"],
            "key" => &["key"],
            "n" => &["n", "key"],
            _ => &["deep.n", "key"],
        };
        rows.sort_by(|(a, left), (b, right)| {
            let (a, b) = (Value::from(a.clone()), Value::from(b.clone()));
            let compare = |path: &&str| {
                let (x, y) = (rank(at(&a, left, path)), rank(at(&b, right, path)));
                x.0.cmp(&y.0).then(x.1.total_cmp(&(y.1 + 0.0))).then(x.2.cmp(&y.2))
            };
            paths.iter().map(compare).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        if order.descending {
            rows.reverse();
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lists_are_what_a_model_says(
        steps in prop::collection::vec(step(), 1..8),
        queries in prop::collection::vec((query(), 1_usize..4), 6),
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
                    store.commit(&writes, Progress(progress), Durability::Logged).unwrap();
                }
                Step::Restart => {
                    drop(store);
                    store = open(dir.path());
                }
            }
            prop_assert_eq!(store.checkpoint().unwrap(), Progress(progress));
        }
        for ((filters, order), limit) in queries {
            let query = parse(&filters, &order, limit);
            let mut found = list(&store, &query);
            let mut expected = expected(&model, &query);
            if query.order.is_empty() {
                // Nobody asked for an order, so whatever index served it gave its own.
                found.sort_by(|a, b| a.0.cmp(&b.0));
                expected.sort_by(|a, b| a.0.cmp(&b.0));
            }
            prop_assert_eq!(found, expected, "{:?} {:?}", filters, order);
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
        store.commit(&writes, Progress(1), Durability::UntilFlushed).unwrap();
        writes.clear();
        for (key, n) in &pending {
            writes.set(0, key, n.as_ref().map(json).as_deref());
            match n {
                Some(n) => model.insert(key.clone(), json(n)),
                None => model.remove(key),
            };
        }
        let range = KeyRange { start: start.clone(), end: end.clone(), reverse };
        let found = store.scan(0, &range, limit, usize::MAX, &writes).unwrap();
        let within = |key: &String| start.as_ref().is_none_or(|start| key >= start) && end.as_ref().is_none_or(|end| key < end);
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
        store.commit(&writes, Progress(progress), Durability::Logged).unwrap();
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
    assert_ne!(before.digest().unwrap(), after.digest().unwrap());
    assert_eq!(after.digest().unwrap(), store.snapshot().unwrap().digest().unwrap());

    let found = &diff(&before, &after, 10).unwrap().tables[0];
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
