//! WebSocket APIs, from `AWS::Serverless::WebSocketApi`.

use std::collections::{BTreeMap, BTreeSet};

use super::apis::{Apis, WebSocketDraft};
use super::identifiers;
use super::reader::{Reader, Resource};
use super::vocabulary;
use super::yaml::{Node, Value};
use crate::aws::{self, CONNECT, DEFAULT, DISCONNECT};
use crate::project::{Integration, RequestAuthorizer, RouteSelection, WebSocketApi};

impl Reader<'_> {
    pub(super) fn read_websocket_api(&mut self, resource: &Resource<'_>, apis: &mut Apis) {
        let mut draft = self.start_websocket(resource);
        if let Some(stage) = self.text(&resource.properties, "StageName") {
            draft.api.stage = stage;
        }
        draft.api.stage_variables = self.text_map(&resource.properties, "StageVariables");
        let routes = resource.properties.get("Routes").map(|node| self.scope.resolve_top(node));
        let routes = match routes {
            Some(Ok(Some(routes))) => routes,
            Some(Err(problem)) => {
                self.warn(problem.line, format!("Routes are left out: {}", problem.text));
                Node { line: resource.line, value: Value::Null }
            }
            _ => Node { line: resource.line, value: Value::Null },
        };
        for (key, node) in routes.entries() {
            let Some(route) = self.property(&routes, key) else { continue };
            let Some(function) = self.text(&route, "FunctionArn") else {
                self.warn(node.line, format!("{key} is left out: it names no FunctionArn"));
                continue;
            };
            if !is_sams_route_key(key) {
                let why = "SAM takes letters and digits alone: make it an AWS::ApiGatewayV2::Route";
                self.warn(node.line, format!("{key} is left out: {why}"));
                continue;
            }
            self.check_words(&vocabulary::WEBSOCKET_ROUTE, &route);
            if route.get("RouteResponseSelectionExpression").is_some() {
                draft.response_selected.insert(key.clone());
            }
            draft.route_ids.insert(identifiers::websocket_route_id(resource.id, key), key.clone());
            draft.add(node.line, key, Integration::Lambda(self.function_in(&function)));
        }
        if let Some(auth) = self.property(&resource.properties, "Auth") {
            self.guard_connect(resource, &auth, &mut draft);
        }
        apis.add_websocket(draft);
    }

    pub(super) fn start_websocket(&mut self, resource: &Resource<'_>) -> WebSocketDraft {
        let selection = self.text(&resource.properties, "RouteSelectionExpression");
        let selection = RouteSelection::parse(selection.as_deref().unwrap_or("$request.body.action"));
        if !selection.is_understood() {
            self.warn(
                resource.properties.line_of("RouteSelectionExpression"),
                format!(
                    "{}: {} selects no route: a frame has a $request.body and no more",
                    resource.id,
                    selection.expression()
                ),
            );
        }
        WebSocketDraft {
            id: resource.id.to_owned(),
            line: resource.line,
            api: WebSocketApi {
                closed: None,
                api_id: aws::api_id(resource.id),
                stage: "default".to_owned(),
                stage_variables: BTreeMap::new(),
                route_selection: selection,
                routes: BTreeMap::new(),
            },
            route_ids: BTreeMap::new(),
            response_selected: BTreeSet::new(),
            lines: BTreeMap::new(),
        }
    }

    fn guard_connect(&mut self, resource: &Resource<'_>, auth: &Node, draft: &mut WebSocketDraft) {
        self.check_words(&vocabulary::WEBSOCKET_AUTH, auth);
        match self.text(auth, "AuthType").as_deref() {
            None | Some("NONE") => {}
            Some("CUSTOM") => {
                let name =
                    self.text(auth, "Name").unwrap_or_else(|| format!("{}ConnectAuthorizer", resource.id));
                let function = self.text(auth, "AuthArn").unwrap_or_default();
                let authorizer = RequestAuthorizer {
                    name,
                    function: self.function_in(&function),
                    identity_sources: self.texts(auth, "IdentitySource"),
                };
                match draft.api.routes.get_mut(CONNECT) {
                    Some(route) => route.authorizer = Some(authorizer),
                    None => self
                        .warn(auth.line, format!("{}: an authorizer needs a {CONNECT} route", resource.id)),
                }
            }
            Some(other) => {
                let why = format!("{}: AuthType {other} is not emulated", resource.id);
                self.warn(auth.line, draft.close(why));
            }
        }
    }
}

fn is_sams_route_key(key: &str) -> bool {
    [CONNECT, DISCONNECT, DEFAULT].contains(&key)
        || (!key.is_empty() && key.chars().all(char::is_alphanumeric))
}
