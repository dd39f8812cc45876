//! Projects of every layout start and answer, with the functions that their templates mean.

use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use gateway::server::{Gateway, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;

/// The layouts, outside of this repository's workspace: cargo would look for it above them.
fn layouts() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts"), copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &place),
            false => drop(std::fs::copy(entry.path(), place).unwrap()),
        }
    }
}

async fn start(layouts: &TempDir, layout: &str) -> Gateway {
    let template = layouts.path().join(layout).join("template.yaml");
    Gateway::start(Options { template, admin_port: Some(0), ..Options::default() }).await.unwrap()
}

pub(crate) async fn get(gateway: &Gateway, path: &str) -> String {
    let (status, body) = send(Method::GET, &format!("{}{path}", gateway.url())).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    body
}

async fn send(method: Method, url: &str) -> (StatusCode, String) {
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).body(Body::empty()).unwrap();
    let response = http.request(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn programs(gateway: &Gateway) -> Vec<&str> {
    gateway.project().functions.values().map(|function| function.program.as_str()).collect()
}

#[tokio::test]
async fn several_functions_come_from_one_package() {
    let layouts = layouts();
    let gateway = start(&layouts, "binaries").await;
    let programs = ["One", "Two"].map(|name| gateway.project().functions[name].program.as_str());
    assert_eq!(programs, ["one", "two"]);
    assert_eq!(get(&gateway, "/one").await, "binary one");
    assert_eq!(get(&gateway, "/two").await, "binary two");
    // Both its names do.
    for name in ["two", "One"] {
        let admin = format!("http://127.0.0.1:{}/_gateway/kill/{name}", gateway.admin_port().unwrap());
        assert_eq!(send(Method::POST, &admin).await, (StatusCode::NO_CONTENT, String::new()), "{name}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn two_packages_may_call_their_binary_bootstrap() {
    let layouts = layouts();
    // Built once more, cargo finds all done and still must not mix them up.
    for _ in 0..2 {
        let gateway = start(&layouts, "bootstraps").await;
        assert_eq!(get(&gateway, "/left").await, "bootstrap of left");
        assert_eq!(get(&gateway, "/right").await, "bootstrap of right");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn packages_in_subfolders_need_no_workspace() {
    let layouts = layouts();
    let gateway = start(&layouts, "subfolders").await;
    assert_eq!(get(&gateway, "/hello").await, "rust_app");
    assert_eq!(get(&gateway, "/other").await, "other_app");
    assert_eq!(get(&gateway, "/archived").await, "rust_app");
    gateway.stop().await;
}

#[tokio::test]
async fn a_function_may_name_the_workspace_or_what_is_built_from_it() {
    let layouts = layouts();
    let gateway = start(&layouts, "workspace").await;
    assert_eq!(programs(&gateway), ["first", "second"]);
    assert_eq!(get(&gateway, "/first").await, "first of the workspace");
    assert_eq!(get(&gateway, "/second").await, "second of the workspace");
    gateway.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_ready_bootstrap_of_another_language_runs_as_it_is() {
    let layouts = layouts();
    let gateway = start(&layouts, "ready").await;
    assert_eq!(get(&gateway, "/hello").await, "a ready bootstrap");
    gateway.stop().await;
}
