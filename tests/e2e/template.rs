//! That the template serves what the protocol document promises, and nothing else. What is compared is read from where
//! it is declared: the document's tables, the first line of each function, the frames that `shared` knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use gateway::project::{Integration, Project};
use support::root;

fn project() -> Project {
    let template = gateway::template::read(&root().join("template.yaml"), &BTreeMap::new())
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

/// What stands in backticks.
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

/// The routes that functions say they serve, in the first line of their `main.rs`, each with the function's folder.
fn serving() -> BTreeMap<String, String> {
    let mut serving = BTreeMap::new();
    for folder in folders() {
        let main = read(&format!("functions/{folder}/src/main.rs"));
        let first = main.lines().next().unwrap_or_default();
        let (routes, _) =
            first.split_once("`:").unwrap_or_else(|| panic!("{folder} names no route: {first}"));
        for route in code(&format!("{routes}`")) {
            assert_eq!(serving.insert(route, folder.clone()), None, "{folder}: {first}");
        }
    }
    serving
}

/// The folder of a function, by its name in the template.
fn folder(project: &Project, function: &str) -> String {
    let path = &project.functions[function].code_uri;
    path.file_name().expect("a folder").to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_rest_routes_are_the_promised_ones() {
    let project = project();
    let api = project.http_api.as_ref().expect("an HTTP API");
    let served: BTreeMap<_, _> =
        api.routes.iter().map(|route| (route.route_key.clone(), folder(&project, &route.function))).collect();
    assert_eq!(served.keys().cloned().collect::<BTreeSet<_>>(), promised_routes());
    assert_eq!(served, serving().into_iter().filter(|(route, _)| route.contains(' ')).collect());
}

#[test]
fn cargo_lambda_watch_serves_the_rest_routes() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().expect("a router");
    let mut watched = BTreeMap::new();
    for (path, functions) in router {
        for one in functions.as_array().expect("a list") {
            let word = |name: &str| one[name].as_str().expect("a text").to_owned();
            watched.insert(format!("{} {path}", word("method")), word("function"));
        }
    }
    assert_eq!(watched, serving().into_iter().filter(|(route, _)| route.contains(' ')).collect());
}

#[test]
fn the_websocket_routes_are_the_promised_ones() {
    let project = project();
    let api = project.websocket_api.as_ref().expect("a WebSocket API");
    assert_eq!(api.route_selection.expression(), "$request.body.type");
    let types: BTreeSet<_> = api.routes.keys().filter(|key| !key.starts_with('$')).cloned().collect();
    assert_eq!(types, promised_frames());
    assert_eq!(types, shared::protocol::client::FRAME_TYPES.iter().map(|kind| (*kind).to_owned()).collect());

    let mut functions = BTreeMap::new();
    let mut mocks = BTreeMap::new();
    for (key, route) in &api.routes {
        match &route.integration {
            Integration::Lambda(function) => {
                functions.insert(key.clone(), folder(&project, function));
            }
            Integration::Mock { response } => {
                mocks.insert(key.as_str(), (response.as_deref(), route.two_way));
            }
        }
    }
    assert_eq!(functions, serving().into_iter().filter(|(route, _)| !route.contains(' ')).collect());
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
    assert_eq!(named, folders());
}

#[test]
fn pages_may_do_what_the_protocol_says() {
    let cors = project().http_api.and_then(|api| api.cors).expect("CORS");
    let promised: BTreeMap<_, _> =
        rows("CORS").into_iter().map(|row| (row[0].clone(), code(&row[1]))).collect();
    assert_eq!(cors.allow_methods, promised["methods"]);
    assert_eq!(cors.allow_headers, promised["request headers"]);
    assert_eq!(cors.expose_headers, promised["response headers"]);
}

#[test]
fn functions_that_only_answer_get_no_settings() {
    let default = &project().functions["Default"];
    assert_eq!(default.environment, BTreeMap::new());
}

#[test]
fn open_mode_is_in_no_deployment() {
    for function in project().functions.values() {
        assert_eq!(function.environment.get("ALLOW_ANONYMOUS"), None, "{}", function.name);
    }
}
