//! Forms as they come: a module without a script, a form that trickles, one that is too large.

use std::io::{Read, Write};
use std::net::TcpStream;

use kinora_tests::{Host, module};

use crate::stage::{Page, Visitor};

/// A form with parts in this order, as a browser sends it.
async fn sent(visitor: &Visitor, path: &str, parts: &[(&str, &[u8])]) -> Page {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file = if *name == "wasm" { "; filename=\"m.wasm\"\r\nContent-Type: application/wasm" } else { "" };
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").into_bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    let request = visitor.request(reqwest::Method::POST, path);
    visitor.sent(request.header("content-type", "multipart/form-data; boundary=edge").body(body)).await
}

#[tokio::test]
async fn a_module_is_uploaded_by_a_form_without_a_script_and_is_chosen_then() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    let page = visitor.sees("/console/deploy?name=counts").await;
    page.shows("action=\"/console/upload?name=counts\"");
    let token = page.field("token");
    let token = ("token", token.as_bytes());
    let tally = module("tally");
    let wasm = ("wasm", tally.as_slice());
    for refused in [&[("token", b"x".as_slice()), wasm][..], &[wasm, token], &[wasm]] {
        assert_eq!(sent(&visitor, "/console/upload", refused).await.status, 403);
    }
    assert_eq!(sent(&visitor, "/console/upload", &[token]).await.status, 400);
    let not_wasm = sent(&visitor, "/console/upload", &[token, ("wasm", b"none")]).await;
    assert_eq!(not_wasm.status, 400);
    not_wasm.shows("not-wasm");
    assert_eq!(api.get("modules").await.body["modules"].as_array().map(Vec::len), Some(0));

    let done = sent(&visitor, "/console/upload?name=counts", &[token, wasm]).await;
    let digest = api.get("modules").await.body["modules"][0]["digest"].as_str().unwrap().to_owned();
    let next = format!("/console/deploy?name=counts&module={digest}&kind=projection");
    assert_eq!((done.status, done.header("location")), (303, next.as_str()));
    api.upload(module("tally")).await;
    visitor.sees(&next).await.shows(&format!("<option value=\"{digest}\" selected>"));
    let decider = module("contrary");
    let done = sent(&visitor, "/console/upload?name=x", &[token, ("wasm", decider.as_slice())]).await;
    assert!(done.header("location").ends_with("&kind=decider"), "{}", done.header("location"));
}

/// The status of the answer to a request that says more than it sends.
fn trickled(url: &str, head: &str, begins: &str) -> (String, String) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "POST {head}\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n{begins}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text.split(' ').nth(1).unwrap().to_owned(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_comes_too_slowly_is_told_so_and_one_that_is_too_large_is_told_that() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["http.body_seconds=1"]);
    let visitor = Visitor::of(&host.api());
    let token = visitor.sees("/console/deploy").await.field("token");
    let slow = [
        ("/console/deploy HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded", "name=".to_owned()),
        (
            "/console/upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=edge",
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--edge\r\n\
                 Content-Disposition: form-data; name=\"wasm\"; filename=\"m.wasm\"\r\n\r\n\0asm"
            ),
        ),
        ("/console/upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=edge", "--edge\r\n".to_owned()),
    ];
    for (head, begins) in slow {
        let url = host.url.clone();
        let answer = tokio::task::spawn_blocking(move || trickled(&url, head, &begins)).await.unwrap();
        assert_eq!(answer.0, "408", "{}", answer.1);
        assert!(answer.1.contains("too-slow"), "{}", answer.1);
    }
    let large = "x".repeat((1 << 20) + 1);
    let form = format!("token={token}&name={large}");
    let request = visitor.request(reqwest::Method::POST, "/console/deploy");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let page = visitor.sent(request).await;
    assert_eq!(page.status, 413);
    page.shows("too-large");
}
