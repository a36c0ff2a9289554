//! Visitors who are known: they sign in with a key, see and do what its role allows, and are told what it does not.

use kinora_access::{KeyFile, NewKey, Options, Role, Scope};
use kinora_engine::limits::Limits;
use kinora_server::serve::{Doors, Options as Serve};
use kinora_tests::{Api, Host};

use crate::stage::{Page, Visitor, set};

struct Guarded {
    host: Host,
    keys: KeyFile,
    _dir: tempfile::TempDir,
}

impl Guarded {
    async fn start() -> Self {
        Self::start_with_limits(Limits::default()).await
    }

    async fn start_with_limits(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::new(dir.path().join("access").join("keys.json"));
        let admin = key(&keys, "root", Role::Admin);
        let access = Options { keys: Some(keys.path().to_owned()), tokens: None };
        let doors = Doors { access, ..Doors::default() };
        let host = Host::run(Serve { doors, limits, ..Host::options(&dir.path().join("data")) });
        set(&host.api().with_key(&admin)).await;
        Self { host, keys, _dir: dir }
    }

    async fn key(&self, name: &str, role: Role) -> String {
        let key = key(&self.keys, name, role);
        let api: Api = self.host.api().with_key(&key);
        kinora_tests::until("the key is known", async || api.get("limits").await.status != 401).await;
        key
    }

    async fn visitor(&self, name: &str, role: Role) -> Visitor {
        let mut visitor = Visitor::of(&self.host.api());
        let page = signed_in(&visitor, &self.key(name, role).await, "/console/").await;
        assert_eq!((page.status, page.header("location")), (303, "/console/"));
        visitor.cookie = Some(page.header("set-cookie").split(';').next().unwrap().to_owned());
        visitor
    }
}

fn key(keys: &KeyFile, name: &str, role: Role) -> String {
    let new = NewKey { name: name.to_owned(), roles: vec![role], scope: Scope::default(), expires: None };
    keys.create(new).unwrap().reveal()
}

async fn signed_in(visitor: &Visitor, key: &str, next: &str) -> Page {
    let token = visitor.sees("/console/sign-in").await.field("token");
    visitor.sends("/console/sign-in", &[("token", &token), ("next", next), ("key", key)]).await
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_key_and_a_wrong_one_opens_nothing() {
    let guarded = Guarded::start().await;
    let visitor = Visitor::of(&guarded.host.api());
    let page = visitor.sees("/console/events?types=Count").await;
    assert_eq!(
        (page.status, page.header("location")),
        (303, "/console/sign-in?next=%2Fconsole%2Fevents%3Ftypes%3DCount")
    );
    assert_eq!(visitor.sees("/console/api/v1/events").await.status, 401);
    assert_eq!(visitor.sends("/console/deploy", &[("name", "x")]).await.status, 401);
    let wrong = signed_in(&visitor, "kinora_000000000000_00", "/console/").await;
    assert_eq!(wrong.status, 401);
    wrong.shows("not known");
    let key = guarded.key("ann", Role::Reader).await;
    for next in ["https://example.org/", "//example.org", "/console/api/v1/log", "/console"] {
        assert_eq!(signed_in(&visitor, &key, next).await.header("location"), "/console/", "{next}");
    }
    let page = signed_in(&visitor, &key, "/console/events").await;
    assert_eq!(page.header("location"), "/console/events");
    let cookie = page.header("set-cookie");
    for words in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(words), "{cookie}");
    }
    assert!(!cookie.contains(&key) && !page.text.contains(&key));
    let forged = visitor.form("/console/sign-in", &[("token", "x"), ("key", &key)]);
    assert_eq!(visitor.sent(forged).await.status, 403);
}

#[tokio::test]
async fn a_reader_sees_why_what_changes_something_is_not_for_them_and_cannot_do_it_either() {
    let guarded = Guarded::start().await;
    let reader = guarded.visitor("ann", Role::Reader).await;
    reader.sees("/console/").await.shows("key:ann");
    let page = reader.sees("/console/projections/counts/versions/2").await;
    page.shows("this needs the role deployer; key:ann has reader");
    let confirm = reader.sees("/console/projections/counts/versions/2/promote").await;
    confirm.shows("This cannot be done: this needs the role deployer");
    let token = reader.sees("/console/commands/bank").await.field("token");
    let path = "/console/projections/counts/versions/2/promote";
    let refused = reader.sends(path, &[("token", &token), ("expected_live", "1")]).await;
    assert_eq!(refused.status, 403);
    let deployer = guarded.visitor("bob", Role::Deployer).await;
    let page = deployer.sees(path).await;
    let (token, key) = (page.field("token"), page.field("key"));
    let form = [("token", token.as_str()), ("key", &key), ("expected_live", "1")];
    let stolen = reader.sends(path, &form).await;
    assert_eq!(stolen.status, 403, "a token is of one session");
    assert_eq!(deployer.sends(path, &form).await.status, 303);
    let history = deployer.sees("/console/projections/counts").await;
    history.shows("key:bob");
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_when_its_visitor_signs_out() {
    let guarded = Guarded::start().await;
    let visitor = guarded.visitor("ann", Role::Reader).await;
    let page = visitor.sees("/console/").await;
    assert_eq!(page.status, 200);
    assert_eq!(visitor.sends("/console/sign-out", &[("token", &page.field("token"))]).await.status, 303);
    assert_eq!(visitor.sees("/console/").await.status, 303, "signed out");
    let other = guarded.visitor("bob", Role::Reader).await;
    let id = guarded.keys.list().unwrap().into_iter().find(|(_, record)| record.name == "bob").unwrap().0;
    guarded.keys.revoke(&id).unwrap();
    kinora_tests::until("the key is gone", async || other.sees("/console/").await.status == 303).await;
}

#[tokio::test]
async fn whoever_shows_wrong_keys_has_to_wait_with_the_right_one_too_and_others_have_not() {
    let limits = Limits::with(&["http.address_wrong_keys=2".parse().unwrap()]).unwrap();
    let guarded = Guarded::start_with_limits(limits).await;
    let key = guarded.key("ann", Role::Reader).await;
    let visitor = Visitor::of(&guarded.host.api());
    // A right one does not count.
    for (shown, status) in [(key.as_str(), 303), ("wrong", 401), (&key, 303), ("wrong", 401), ("wrong", 429)] {
        assert_eq!(signed_in(&visitor, shown, "/console/").await.status, status);
    }
    let waits = signed_in(&visitor, &key, "/console/").await;
    assert_eq!(waits.status, 429);
    waits.shows("too many wrong keys");
    let seconds: u64 = waits.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    let other = Visitor::from(&guarded.host.api(), "127.0.0.2".parse().unwrap());
    assert_eq!(signed_in(&other, &key, "/console/").await.status, 303);
}
