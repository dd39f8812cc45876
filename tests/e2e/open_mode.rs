//! The open mode, in which the client's word is taken: there with its flag only, and never where tokens are asked for.

use std::path::Path;

use serde_json::json;
use support::{App, root};

const FLAG: &str = "ALLOW_ANONYMOUS";

#[tokio::test]
async fn a_flag_that_is_not_quite_right_opens_nothing() {
    let app = App::builder().environment(FLAG, "1").start().await;
    let reply = app.get("/messages").await;
    assert!(reply.status >= 500, "{}", reply.status);
    assert!(app.try_connect("/", &[]).await.is_err_and(|status| status >= 500));
}

#[tokio::test]
async fn where_tokens_are_asked_for_there_is_no_flag() {
    let app = App::guarded().await;
    assert_eq!(app.gateway().environment().get(FLAG), None);
    let open = App::open().await;
    assert_eq!(open.gateway().environment().get(FLAG).map(String::as_str), Some("true"));
    let reply =
        open.post("/messages", json!({ "sender_id": "a", "receiver_id": "b", "content": "c" }).to_string());
    assert_eq!(reply.await.status, 201);
}

#[test]
fn no_template_of_ours_can_set_the_flag() {
    let templates = templates_below(&root());
    assert!(templates.iter().any(|(path, _)| path.ends_with("/template.yaml")), "{templates:?}");
    for (path, text) in templates {
        assert!(!text.contains(FLAG), "{path}");
    }
}

/// Every template that could be deployed, with its text.
fn templates_below(folder: &Path) -> Vec<(String, String)> {
    let mut templates = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            templates.extend(templates_below(&path));
        } else if [".yaml", ".yml", ".toml"].iter().any(|end| name.ends_with(end)) && name != "Cargo.toml" {
            let text = std::fs::read_to_string(&path).expect("a text");
            templates.push((path.display().to_string(), text));
        }
    }
    templates
}
