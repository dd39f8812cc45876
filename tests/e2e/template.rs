//! The template, as the gateway reads it, serves what the protocol document promises, and nothing else. Both sides of
//! each comparison are read from where they are declared: the document's tables, the folders of the functions, the
//! router of `cargo lambda watch`, the frames that `shared` knows. What becomes of the template in a deployment is for
//! `.ci/check-template`, and so is the first line of each function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;

use gateway::project::{Integration, Project};
use gateway::template::Given;
use shared::protocol::client::FRAME_TYPES;
use support::root;

fn project() -> Project {
    let front_end = ("AllowedOrigins".to_owned(), "https://chat.example.com".to_owned());
    let given = Given { parameters: BTreeMap::from([front_end]), ..Given::default() };
    let template = gateway::template::read(&root().join("template.yaml"), &given)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(template.warnings, [""; 0]);
    template.project
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of a table of the protocol document, by the heading of its first column; a row is its cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let document = read("docs/protocol.md");
    let head = format!("| {heading} |");
    let table = document.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows: Vec<_> = table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "docs/protocol.md: no table {heading}");
    rows
}

/// The texts in backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The routes that the protocol document promises; `$connect` and `$disconnect` are events, so it has none for them.
fn promised_routes() -> BTreeSet<String> {
    rows("Route").iter().flat_map(|row| code(&row[0])).collect()
}

fn promised_frames() -> BTreeSet<String> {
    rows("type").iter().flat_map(|row| code(&row[0])).collect()
}

fn folders() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("functions")).expect("the functions");
    folders.map(|entry| entry.expect("a folder").file_name().into_string().expect("UTF-8")).collect()
}

/// The folder of a function, by its name in the template.
fn folder(project: &Project, function: &str) -> String {
    let path = &project.functions[function].code_uri;
    path.file_name().expect("a folder").to_str().expect("UTF-8").to_owned()
}

/// The REST routes that the template serves, each with the folder of its function.
fn served_routes() -> BTreeMap<String, String> {
    let project = project();
    let api = project.http_api.as_ref().expect("an HTTP API");
    api.routes.iter().map(|route| (route.route_key.clone(), folder(&project, &route.function))).collect()
}

/// Two sets are the same; otherwise the differences alone are told.
fn assert_same<T: Debug + Ord>(
    what: &str,
    found: impl IntoIterator<Item = T>,
    expected: impl IntoIterator<Item = T>,
) {
    let (found, expected) = (BTreeSet::from_iter(found), BTreeSet::from_iter(expected));
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{what}: missing {missing:?}, extra {extra:?}");
}

#[test]
fn the_rest_routes_are_the_promised_ones() {
    assert_same("routes in template.yaml", served_routes().into_keys(), promised_routes());
}

#[test]
fn cargo_lambda_watch_serves_the_rest_routes() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().expect("a router");
    let mut watched = Vec::new();
    for (path, functions) in router {
        for one in functions.as_array().expect("a list") {
            let word = |name: &str| one[name].as_str().expect("a text").to_owned();
            watched.push((format!("{} {path}", word("method")), word("function")));
        }
    }
    assert_same("the router of `cargo lambda watch` in Cargo.toml", watched, served_routes());
}

#[test]
fn the_websocket_routes_are_the_promised_ones() {
    let project = project();
    let api = project.websocket_api.as_ref().expect("a WebSocket API");
    assert_eq!(api.route_selection.expression(), "$request.body.type");
    let types: BTreeSet<_> = api.routes.keys().filter(|key| !key.starts_with('$')).cloned().collect();
    assert_same("frames in docs/protocol.md", promised_frames(), types.clone());
    assert_same("FrameType in shared", FRAME_TYPES.iter().map(|kind| (*kind).to_owned()), types);

    let mut mocks = BTreeMap::new();
    for (key, route) in &api.routes {
        if let Integration::Mock { response } = &route.integration {
            mocks.insert(key.as_str(), (response.as_deref(), route.two_way));
        }
    }
    assert_eq!(mocks.remove("ping"), Some((Some(r#"{"type":"pong"}"#), true)));
    assert!(mocks.values().all(|(_, two_way)| !two_way), "{mocks:?}");
    let two_way: Vec<_> = api.routes.iter().filter(|(_, route)| route.two_way).map(|(key, _)| key).collect();
    assert_eq!(two_way, ["$default", "ping"]);
}

#[test]
fn every_function_has_a_folder_of_its_name_and_every_folder_a_function() {
    let project = project();
    let mut named = BTreeSet::new();
    for name in project.functions.keys() {
        let folder = folder(&project, name);
        let pascal: String = folder.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert_eq!(*name, pascal);
        named.insert(folder);
    }
    assert_same("folders that template.yaml names", named, folders());
}

#[test]
fn pages_may_do_what_the_protocol_says() {
    let cors = project().http_api.and_then(|api| api.cors).expect("CORS");
    let promised: BTreeMap<_, _> =
        rows("CORS").into_iter().map(|row| (row[0].clone(), code(&row[1]))).collect();
    assert_same("AllowMethods", &cors.allow_methods, &promised["methods"]);
    assert_same("AllowHeaders", &cors.allow_headers, &promised["request headers"]);
    assert_same("ExposeHeaders", &cors.expose_headers, &promised["response headers"]);

    let routes = served_routes();
    let methods = routes.keys().filter_map(|route| route.split_once(' ')).map(|(method, _)| method);
    assert_same("AllowMethods", cors.allow_methods.iter().map(String::as_str), methods);
}

#[test]
fn functions_that_only_answer_get_no_settings() {
    let default = &project().functions["Default"];
    assert_eq!(default.environment, BTreeMap::new());
}

#[test]
fn no_function_has_an_administrators_rights() {
    for folder in folders() {
        for file in fs::read_dir(root().join("functions").join(&folder).join("src")).expect("its code") {
            let path = file.expect("a file").path();
            let code = fs::read_to_string(&path).expect("Rust");
            assert!(!code.contains("Administrator"), "{}", path.display());
        }
    }
}
