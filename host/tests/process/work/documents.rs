//! Documents that the program has inside it: each is there, under the policy of pages, and can be searched.

use kinora_tests::{Program, builder};

#[tokio::test]
async fn documents_are_read_and_searched_where_a_host_runs() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let client = builder().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", host.url)).header("accept", "text/html").send().await.unwrap();
        let (status, path) = (answer.status().as_u16(), answer.url().path().to_owned());
        (status, path, answer.text().await.unwrap())
    };
    for (path, home) in [("/docs", "/console/docs"), ("/docs/limits", "/console/docs/limits")] {
        let (status, moved, _) = get(path).await;
        assert_eq!((status, moved.as_str()), (200, home));
    }
    let (_, _, front) = get("/console/docs/").await;
    assert!(front.contains("Guides, by task"), "{front}");
    let links = front.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let documents: Vec<&str> = links.filter(|link| link.starts_with("/console/docs/")).collect();
    assert!(documents.len() > 20, "{documents:?}");
    for path in documents {
        let (status, _, page) = get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.contains("<h1 id="), "{path}");
        assert!(!page.contains(" style=") && !page.contains("<script>"), "{path}");
    }
    for (words, expected) in
        [("sandbox.event_fuel", "/console/docs/limits#"), ("zzzz", "None does."), ("%3Cscript%3E", "&lt;script&gt;")]
    {
        let (_, _, found) = get(&format!("/console/docs/?q={words}")).await;
        assert!(found.contains(expected), "{words}: {found}");
    }
    let (status, _, nothing) = get("/console/docs/guides/nothing").await;
    assert!(status == 404 && nothing.contains("listed and searched"), "{nothing}");
}
