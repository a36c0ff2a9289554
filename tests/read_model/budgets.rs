//! Reads within a budget: they end when it is used up, whatever they are at.

use kinora_readmodel::{
    CommitMode, Error, Figure, FigureKind, KeyRange, ListQuery, Operator, Order, Pattern, Row, RowFilter, Snapshot,
    StatisticsQuery, Store, Writes, diff, differences, first_difference,
};

use kinora_storage::Storage;
use kinora_types::{Budget, Exhausted, IndexSpec, Progress, TableSpec};
use serde_json::json;

/// More than are passed between two looks at the budget, and than are read at once.
const ROWS: u64 = 1_000;

fn store(dir: &std::path::Path, rows: u64) -> Store {
    let index = IndexSpec { name: "by_n".into(), paths: vec!["n".into()], unique: false };
    let table =
        TableSpec { name: "rows".into(), key: "key".into(), schema: None, indexes: vec![index], history: Some(0) };
    let store = Store::open(&Storage::default(), dir, &[table]).unwrap();
    let mut writes = Writes::default();
    for n in 0..rows {
        let text = "x".repeat(200);
        let row = json!({"n": n, "m": n % 7, "text": text}).to_string();
        writes.set(0, &format!("{n:05}"), Some(row.as_bytes()));
    }
    store.commit(&writes, Progress(1), CommitMode::Logged).unwrap();
    store
}

fn query(filter: RowFilter, order: &str) -> ListQuery {
    let order = if order.is_empty() { Vec::new() } else { vec![Order::ascending(order).unwrap()] };
    ListQuery { table: "rows".into(), filter, order, limit: 500, scan: true, ..ListQuery::default() }
}

/// All that can be asked of many rows.
fn reads(snapshot: &Snapshot, budget: &Budget) -> Vec<(&'static str, Result<(), Error>)> {
    let like = || RowFilter::test("text", Operator::Like(Pattern::new("*x", false))).unwrap();
    let figure = |kind, field: &str| Figure::new("it", kind, Some(field.to_owned())).unwrap();
    let percentile = StatisticsQuery {
        table: "rows".into(),
        figures: vec![figure(FigureKind::Percentile(50.0), "n")],
        ..StatisticsQuery::default()
    };
    let facets = StatisticsQuery { table: "rows".into(), facets: vec!["n".into()], ..StatisticsQuery::default() };
    let (all, now) = (KeyRange::default(), Progress(1));
    let going_on = |_| std::ops::ControlFlow::Continue(());
    vec![
        ("list", snapshot.list(&query(RowFilter::default(), ""), budget).map(drop)),
        ("list by index", snapshot.list(&query(RowFilter::default(), "n"), budget).map(drop)),
        ("list that filters", snapshot.list(&query(like(), ""), budget).map(drop)),
        ("list that sorts", snapshot.list(&query(RowFilter::default(), "text"), budget).map(drop)),
        ("list of the past", snapshot.list_at(&query(RowFilter::default(), ""), now, budget).map(drop)),
        ("percentile", snapshot.statistics(&percentile, budget).map(drop)),
        ("facets", snapshot.statistics(&facets, budget).map(drop)),
        ("figures of the past", snapshot.statistics_at(&facets, now, budget).map(drop)),
        ("count", snapshot.count(&query(RowFilter::default(), ""), budget).map(drop)),
        ("count that filters", snapshot.count(&query(like(), ""), budget).map(drop)),
        ("digest", snapshot.digest(budget).map(drop)),
        ("difference", diff(snapshot, snapshot, 5, budget).map(drop)),
        ("differences", differences("rows", snapshot, snapshot, &all, usize::MAX, budget, going_on).map(drop)),
        ("first difference", first_difference(snapshot, snapshot, budget).map(drop)),
    ]
}

#[test]
fn every_read_ends_when_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(dir.path(), ROWS).snapshot().unwrap();
    for (what, read) in reads(&snapshot, &Budget::unlimited()) {
        assert!(read.is_ok(), "{what}: {read:?}");
    }
    let budget = Budget::unlimited();
    assert!(budget.looked_at() == 0 && snapshot.digest(&budget).is_ok());
    assert_eq!(budget.looked_at(), ROWS);
    budget.cancel();
    for (what, read) in reads(&snapshot, &budget) {
        assert!(matches!(read, Err(Error::Exhausted(Exhausted::Cancelled))), "{what}: {read:?}");
    }
}

#[test]
fn a_read_that_is_under_way_ends_too() {
    let dir = tempfile::tempdir().unwrap();
    let (left, right) = (store(&dir.path().join("a"), ROWS), store(&dir.path().join("b"), 0));
    let (left, right) = (left.snapshot().unwrap(), right.snapshot().unwrap());
    let (budget, mut seen) = (Budget::unlimited(), 0);
    let ended = differences("rows", &left, &right, &KeyRange::default(), usize::MAX, &budget, |_| {
        seen += 1;
        budget.cancel();
        std::ops::ControlFlow::Continue(())
    });
    assert!(matches!(ended, Err(Error::Exhausted(Exhausted::Cancelled))), "{ended:?}");
    assert!(seen < 200, "it went on past {seen} rows");
}

#[test]
fn what_is_kept_in_memory_is_taken_from_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(&dir.path().join("a"), ROWS).snapshot().unwrap();
    let few = Budget::new(std::time::Duration::from_secs(3_600), 2_000);
    for (what, read) in reads(&snapshot, &few) {
        let keeps_nothing = what.starts_with("count") || what.starts_with("di") || what.starts_with("first");
        match read {
            Ok(()) => assert!(keeps_nothing, "{what}"),
            Err(error) => assert!(matches!(error, Error::Exhausted(Exhausted::Bytes(2_000))), "{what}: {error}"),
        }
    }
    let empty = store(&dir.path().join("b"), 0).snapshot().unwrap();
    let samples = diff(&snapshot, &empty, 100, &Budget::new(std::time::Duration::from_secs(3_600), 2_000));
    assert!(matches!(samples, Err(Error::Exhausted(Exhausted::Bytes(_)))), "{samples:?}");
}

#[test]
fn pages_that_end_by_bytes_are_the_same_rows_as_one_page() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(dir.path(), 100).snapshot().unwrap();
    let budget = Budget::unlimited();
    for order in ["", "n", "m", "text"] {
        let whole = snapshot.list(&query(RowFilter::default(), order), &budget).unwrap();
        assert_eq!((whole.rows.len(), whole.next), (100, None), "{order:?}");
        for page_bytes in [1, 1_000, 5_000, 1_000_000] {
            let mut rows: Vec<Row> = Vec::new();
            let mut asked = ListQuery { page_bytes: Some(page_bytes), ..query(RowFilter::default(), order) };
            loop {
                let page = snapshot.list(&asked, &budget).unwrap();
                let bytes: usize = page.rows.iter().map(Row::bytes).sum();
                assert!(bytes < page_bytes + 1_000 && !page.rows.is_empty(), "{order:?} {page_bytes} {bytes}");
                rows.extend(page.rows);
                asked.cursor = page.next;
                if asked.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(rows, whole.rows, "{order:?} {page_bytes}");
        }
    }
}
