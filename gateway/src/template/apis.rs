//! APIs while their routes are gathered, and the choice of the two that are served.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use crate::aws;
use crate::project::{Function, HttpApi, HttpRoute, Integration, WebSocketApi, WebSocketRoute};

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

#[derive(Debug, Default)]
pub(super) struct Apis {
    http: Vec<HttpDraft>,
    websocket: Vec<WebSocketDraft>,
}

#[derive(Debug)]
pub(super) struct HttpDraft {
    pub(super) id: String,
    pub(super) line: usize,
    pub(super) api: HttpApi,
    pub(super) default_authorizer: Option<String>,
    /// By authorizer: the scopes of routes that name none.
    pub(super) default_scopes: BTreeMap<String, Vec<String>>,
    /// All that `Auth` names, also those that are not emulated.
    pub(super) authorizers: BTreeSet<String>,
    /// Line by route key.
    lines: BTreeMap<String, usize>,
    repeated: Vec<(usize, String)>,
}

/// A route's own authorization; the API's default applies where it states none.
#[derive(Debug, Default)]
pub(super) struct RouteAuth {
    pub(super) authorizer: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct WebSocketDraft {
    pub(super) id: String,
    pub(super) line: usize,
    pub(super) api: WebSocketApi,
    /// Route key by logical id.
    pub(super) route_ids: BTreeMap<String, String>,
    /// Keys of routes with a `RouteResponseSelectionExpression`.
    pub(super) response_selected: BTreeSet<String>,
    /// Line by route key.
    pub(super) lines: BTreeMap<String, usize>,
}

impl HttpDraft {
    pub(super) fn new(id: &str, line: usize) -> Self {
        let api = HttpApi {
            api_id: aws::api_id(id),
            stage: aws::DEFAULT.to_owned(),
            stage_variables: BTreeMap::new(),
            cors: None,
            routes: Vec::new(),
            authorizers: BTreeMap::new(),
        };
        Self {
            id: id.to_owned(),
            line,
            api,
            default_authorizer: None,
            default_scopes: BTreeMap::new(),
            authorizers: BTreeSet::new(),
            lines: BTreeMap::new(),
            repeated: Vec::new(),
        }
    }

    /// Whether a route may name it.
    pub(super) fn has_authorizer(&self, name: &str) -> bool {
        ["NONE", "AWS_IAM"].contains(&name) || self.authorizers.contains(name)
    }

    pub(super) fn add_route(&mut self, line: usize, route_key: String, function: String, auth: RouteAuth) {
        if self.lines.contains_key(&route_key) {
            self.repeated.push((line, route_key));
            return;
        }
        self.lines.insert(route_key.clone(), line);
        let authorizer =
            auth.authorizer.or_else(|| self.default_authorizer.clone()).filter(|name| name != "NONE");
        let scopes = auth.scopes.or_else(|| self.default_scopes.get(authorizer.as_deref()?).cloned());
        let scopes = if authorizer.is_some() { scopes.unwrap_or_default() } else { Vec::new() };
        self.api.routes.push(HttpRoute { route_key, function, authorizer, scopes });
    }
}

impl WebSocketDraft {
    /// Lets nobody in, for this reason; gives the warning that says so.
    pub(super) fn close(&mut self, why: String) -> String {
        let warning = format!("{why}, so every upgrade is refused");
        self.api.closed = Some(why);
        warning
    }

    /// False where the key is already taken.
    pub(super) fn add(&mut self, line: usize, key: &str, integration: Integration) -> bool {
        if self.api.routes.contains_key(key) {
            return false;
        }
        self.lines.insert(key.to_owned(), line);
        self.api
            .routes
            .insert(key.to_owned(), WebSocketRoute { integration, two_way: false, authorizer: None });
        true
    }
}

impl Apis {
    pub(super) fn add_http(&mut self, draft: HttpDraft) {
        self.http.push(draft);
    }

    pub(super) fn add_websocket(&mut self, draft: WebSocketDraft) {
        self.websocket.push(draft);
    }

    /// `name` is the API's id, as `!Ref` gives it, or its logical id.
    pub(super) fn http(&mut self, name: &str) -> Option<&mut HttpDraft> {
        self.http.iter_mut().find(|draft| draft.id == name || draft.api.api_id == name)
    }

    pub(super) fn websocket(&mut self, name: &str) -> Option<&mut WebSocketDraft> {
        self.websocket.iter_mut().find(|draft| draft.id == name || draft.api.api_id == name)
    }
}

impl Apis {
    pub(super) fn stage_variables(&mut self, name: &str) -> Option<&BTreeMap<String, String>> {
        if self.http(name).is_some() {
            return self.http(name).map(|draft| &draft.api.stage_variables);
        }
        self.websocket(name).map(|draft| &draft.api.stage_variables)
    }

    /// One API of each kind is served: the first that has routes.
    pub(super) fn choose(
        self,
        functions: &BTreeMap<String, Function>,
        warnings: &mut Vec<Problem>,
    ) -> (Option<HttpApi>, Option<WebSocketApi>) {
        let mut warn = |line: usize, text: String| warnings.push(Problem::new(line, text));
        let (mut http, mut websocket) = (None, None);
        for mut draft in self.http {
            for (line, key) in std::mem::take(&mut draft.repeated) {
                warn(line, format!("{key} stands in {} twice: the first is served", draft.id));
            }
            let lines = &draft.lines;
            draft.api.routes.retain(|route| {
                let (key, function) = (&route.route_key, &route.function);
                let method = key.split_once(' ').map(|(method, _)| method);
                let why = match method.filter(|method| !METHODS.contains(method)) {
                    Some(method) => format!("{method} is no method of HTTP APIs"),
                    None if !functions.contains_key(function) => format!("there is no function {function}"),
                    None => return true,
                };
                let line = lines.get(key).copied().unwrap_or(draft.line);
                warn(line, format!("{key} is left out: {why}"));
                false
            });
            if draft.api.routes.is_empty() {
                warn(draft.line, without_routes(&draft.id));
            } else if http.is_some() {
                warn(draft.line, not_the_first(&draft.id));
            } else {
                http = Some(draft.api);
            }
        }
        for mut draft in self.websocket {
            let line_of = |key: &String| draft.lines.get(key).copied().unwrap_or(draft.line);
            for key in &draft.response_selected {
                if draft.api.routes.get(key).is_some_and(|route| !route.two_way) {
                    warn(line_of(key), format!("{key} answers nothing: no RouteResponse is for it"));
                }
            }
            let mut closed = None;
            draft.api.routes.retain(|key, route| {
                let missing = match &route.integration {
                    Integration::Lambda(function) if !functions.contains_key(function) => Some(function),
                    _ => route
                        .authorizer
                        .as_ref()
                        .map(|one| &one.function)
                        .filter(|name| !functions.contains_key(*name)),
                };
                if let Some(function) = missing {
                    warn(line_of(key), format!("{key} is left out: there is no function {function}"));
                    // Without its authorizer the route would let everybody in.
                    if key == aws::CONNECT
                        && let Some(authorizer) = &route.authorizer
                    {
                        closed =
                            Some(format!("the authorizer {} is left out with its route", authorizer.name));
                    }
                }
                missing.is_none()
            });
            draft.api.closed = draft.api.closed.or(closed);
            if draft.api.routes.is_empty() {
                warn(draft.line, without_routes(&draft.id));
            } else if websocket.is_some() {
                warn(draft.line, not_the_first(&draft.id));
            } else {
                websocket = Some(draft.api);
            }
        }
        (http, websocket)
    }
}

fn without_routes(id: &str) -> String {
    format!("{id} has no route and is not served")
}

fn not_the_first(id: &str) -> String {
    format!("{id} is not served: one API of each kind is, and it is not the first")
}

/// The key in the platform's spelling: `GET /messages`.
pub(super) fn route_key(method: &str, path: &str) -> String {
    let method = method.trim().to_ascii_uppercase();
    let method =
        if method == "*" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD" { "ANY".to_owned() } else { method };
    let path = path.trim();
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{method} {slash}{path}")
}
