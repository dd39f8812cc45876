//! That the template serves what the contract promises, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use gateway::project::{Integration, Project};
use support::root;

/// The contract's REST routes, each with the folder of its function.
const ROUTES: [(&str, &str); 6] = [
    ("GET /messages", "list-messages"),
    ("GET /messages/{id}", "get-message"),
    ("POST /messages", "create-message"),
    ("PUT /messages/{id}", "update-message"),
    ("DELETE /messages/{id}", "delete-message"),
    ("POST /tickets", "create-ticket"),
];

/// The WebSocket routes that are functions; the others are answered, or swallowed, by the platform.
const FUNCTIONS: [(&str, &str); 8] = [
    ("$connect", "connect"),
    ("$disconnect", "disconnect"),
    ("$default", "default"),
    ("register", "register"),
    ("offer", "signaling"),
    ("answer", "signaling"),
    ("candidate", "signaling"),
    ("end_call", "signaling"),
];

fn project() -> Project {
    let template = gateway::template::read(&root().join("template.yaml"), &BTreeMap::new())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(template.warnings, [""; 0]);
    template.project
}

/// The folder of a function, by its name in the template.
fn folder(project: &Project, function: &str) -> String {
    let path = &project.functions[function].code_uri;
    path.file_name().expect("a folder").to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_rest_routes_are_the_contracts() {
    let project = project();
    let api = project.http_api.as_ref().expect("an HTTP API");
    let served: BTreeSet<_> =
        api.routes.iter().map(|route| (route.route_key.clone(), folder(&project, &route.function))).collect();
    let promised = ROUTES.map(|(route, folder)| (route.to_owned(), folder.to_owned()));
    assert_eq!(served, promised.into());
}

#[test]
fn the_websocket_routes_are_the_contracts() {
    let project = project();
    let api = project.websocket_api.as_ref().expect("a WebSocket API");
    assert_eq!(api.route_selection.expression(), "$request.body.type");
    let types: BTreeSet<_> =
        api.routes.keys().map(String::as_str).filter(|key| !key.starts_with('$')).collect();
    assert_eq!(types, shared::protocol::client::FRAME_TYPES.iter().copied().collect());

    let mut functions = BTreeSet::new();
    let mut mocks = BTreeMap::new();
    for (key, route) in &api.routes {
        match &route.integration {
            Integration::Lambda(function) => {
                functions.insert((key.clone(), folder(&project, function)));
            }
            Integration::Mock { response } => {
                mocks.insert(key.as_str(), (response.as_deref(), route.two_way));
            }
        }
    }
    let promised = FUNCTIONS.map(|(route, folder)| (route.to_owned(), folder.to_owned()));
    assert_eq!(functions, promised.into());
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
    let folders = std::fs::read_dir(root().join("functions")).expect("the functions");
    let folders = folders.map(|entry| entry.expect("a folder").file_name().into_string().expect("UTF-8"));
    assert_eq!(named, folders.collect());
}

#[test]
fn pages_may_do_what_the_contract_says() {
    let cors = project().http_api.and_then(|api| api.cors).expect("CORS");
    assert_eq!(cors.allow_methods, ["GET", "POST", "PUT", "DELETE"]);
    assert_eq!(cors.allow_headers, ["content-type", "authorization", "idempotency-key"]);
    assert_eq!(cors.expose_headers, ["link", "retry-after", "idempotent-replayed"]);
}

#[test]
fn open_mode_is_in_no_deployment() {
    for function in project().functions.values() {
        assert_eq!(function.environment.get("ALLOW_ANONYMOUS"), None, "{}", function.name);
    }
}
