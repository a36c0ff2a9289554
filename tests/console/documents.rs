//! Documents in the console: each is there, under the policy of pages, and can be searched.

use kinora_tests::Host;

use crate::stage::Visitor;

#[tokio::test]
async fn documents_are_read_and_searched_where_a_host_runs() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let visitor = Visitor::of(&host.api());
    for (path, home) in [("/docs", "/console/docs"), ("/docs/limits", "/console/docs/limits")] {
        let moved = visitor.sees(path).await;
        assert_eq!((moved.status, moved.header("location")), (303, home));
    }
    let front = visitor.sees("/console/docs/").await;
    front.shows("Guides, by task");
    let links = front.text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let documents: Vec<String> =
        links.filter(|link| link.starts_with("/console/docs/")).map(|link| link.to_owned()).collect();
    assert!(documents.len() > 20, "{documents:?}");
    for path in documents {
        let page = visitor.sees(&path).await;
        assert_eq!(page.status, 200, "{path}");
        page.shows("<h1 id=");
        assert!(!page.text.contains(" style=") && !page.text.contains("<script>"), "{path}");
    }
    let found = visitor.sees("/console/docs/?q=sandbox.event_fuel").await;
    found.shows("/console/docs/limits#");
    visitor.sees("/console/docs/?q=zzzz").await.shows("None does.");
    visitor.sees("/console/docs/?q=%3Cscript%3E").await.shows("&lt;script&gt;");
    let nothing = visitor.sees("/console/docs/guides/nothing").await;
    assert_eq!(nothing.status, 404);
    nothing.shows("listed and searched");
}
