//! Each kind of damage to a log, done by hand, is found by `kinora log verify` and named.

use std::path::Path;

use kinora_log::{AppendRequest, Claim, ClaimKey, Claims};
use kinora_tests::{event, open, to};
use kinora_types::ExpectedRevision::Any;
use rocksdb::{ColumnFamily, DB, Options};

/// Ten events in two streams, as one append of four with a claim and six of one.
async fn filled(dir: &Path) {
    let log = open(dir);
    let claim = |value| Claim { key: ClaimKey::new("seat", value).unwrap(), owner: "a".parse().unwrap() };
    let claims = Claims { take: vec![claim("1"), claim("2")], ..Claims::default() };
    let first = vec![to("a", Any, (0..4).map(|n| event(n + 1, 7)).collect())];
    log.append(AppendRequest { claims, ..first.into() }).await.unwrap();
    for n in 4..10 {
        log.append(vec![to("ab", Any, vec![event(n + 1, n as u64)])].into()).await.unwrap();
    }
    let claims = Claims { release: vec![claim("2")], ..Claims::default() };
    log.append(AppendRequest { claims, ..vec![to("a", Any, vec![event(11, 7)])].into() }).await.unwrap();
}

fn named(dir: &Path) -> Vec<(&'static str, String)> {
    let report = open(dir).verify(|_| {}).unwrap();
    assert_eq!(report.faults, report.named.len() as u64);
    report.named.into_iter().map(|fault| (fault.family, fault.what)).collect()
}

fn number(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn keyed(name: &str, last: u64) -> Vec<u8> {
    [name.as_bytes(), b"\0", &number(last)].concat()
}

fn revision(first: u64, revision: u64) -> [u8; 16] {
    [number(first), number(revision)].concat().try_into().unwrap()
}

type Damage = fn(&DB, &ColumnFamily);

#[tokio::test]
async fn each_damage_is_named_where_it_is() {
    let cases: [(&str, Damage, &str); 20] = [
        ("events", |db, f| db.delete_cf(f, number(3)).unwrap(), "there are no events at positions 3 to 3"),
        ("events", |db, f| db.put_cf(f, number(3), b"x").unwrap(), "damaged at position 3: the record is too short"),
        (
            "revisions",
            |db, f| db.delete_cf(f, revision(0, 1)).unwrap(),
            "a revision 1 is missing for the event at position 1",
        ),
        ("revisions", |db, f| db.delete_cf(f, revision(0, 1)).unwrap(), "stream a has revision 2 after 0"),
        ("revisions", |db, f| db.delete_cf(f, revision(4, 0)).unwrap(), "stream ab begins at revision 1"),
        (
            "revisions",
            |db, f| db.put_cf(f, revision(0, 1), number(5)).unwrap(),
            "a revision 1 names position 5, whose event is another",
        ),
        (
            "revisions",
            |db, f| db.put_cf(f, revision(3, 0), number(5)).unwrap(),
            "a revision 0 names position 5, whose event is another",
        ),
        ("revisions", |db, f| db.put_cf(f, revision(3, 4), number(10)).unwrap(), "it has an entry twice"),
        ("revisions", |db, f| db.put_cf(f, revision(99, 0), number(5)).unwrap(), "makes no sense"),
        ("revisions", |db, f| db.put_cf(f, revision(0, 1), b"x").unwrap(), "makes no sense"),
        ("streams", |db, f| db.put_cf(f, "a", number(9)).unwrap(), "a names position 9, whose event is another"),
        ("streams", |db, f| db.delete_cf(f, "ab").unwrap(), "ab is missing for the event at position 4"),
        ("streams", |db, f| db.put_cf(f, "aa", number(0)).unwrap(), "aa names position 0, whose event is another"),
        ("ids", |db, f| db.delete_cf(f, 3_u128.to_be_bytes()).unwrap(), "is missing for the event at position 2"),
        ("types", |db, f| db.delete_cf(f, b"Counted\0\0\0\0\x01").unwrap(), "there are 11 events from position 0 on"),
        ("by_type", |db, f| db.delete_cf(f, keyed("Counted", 0)).unwrap(), "missing for the event at position 3"),
        (
            "by_tag",
            |db, f| db.put_cf(f, keyed("n:7", 0), [1, 1]).unwrap(),
            "n:7 is missing for the event at position 3",
        ),
        ("by_tag", |db, f| db.put_cf(f, keyed("n:8", 1), [0]).unwrap(), "n:8 names position 1, whose event is another"),
        ("claims", |db, f| db.delete_cf(f, b"seat\x001").unwrap(), "seat 1: a should hold it, but nobody does"),
        ("claims", |db, f| db.put_cf(f, b"seat\x002", b"\0\0\0\0\0\0\0\0b").unwrap(), "seat 2: nobody should hold it"),
    ];
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await;
    assert_eq!(named(sound.path()), []);
    for (family, damage, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        let options = Options::default();
        let db = DB::open_cf(&options, dir.path(), DB::list_cf(&options, dir.path()).unwrap()).unwrap();
        damage(&db, db.cf_handle(family).unwrap());
        drop(db);
        let named = named(dir.path());
        let found = named.iter().any(|(where_, what)| *where_ == family && what.contains(expected));
        assert!(found, "{family}: {expected:?} is not among {named:#?}");
    }
}
