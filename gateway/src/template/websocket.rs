//! WebSocket APIs, from `AWS::Serverless::WebSocketApi` and from raw `AWS::ApiGatewayV2` resources.

use std::collections::{BTreeMap, BTreeSet};

use super::apis::{Apis, RouteAuth, WebSocketDraft};
use super::functions::route_key;
use super::identifiers::{self, function_in};
use super::reader::{Reader, Resource};
use super::vocabulary;
use super::yaml::{Node, Value};
use crate::aws::{self, CONNECT, DEFAULT};
use crate::project::{Integration, JwtAuthorizer, RequestAuthorizer, RouteSelection, WebSocketApi, WebSocketRoute};

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
            self.check_words(&vocabulary::WEBSOCKET_ROUTE, &route);
            if route.get("RouteResponseSelectionExpression").is_some() {
                draft.response_selected.insert(key.clone());
            }
            draft.route_ids.insert(identifiers::websocket_route_id(resource.id, key), key.clone());
            draft.add(node.line, key, Integration::Lambda(function_in(&function).to_owned()));
        }
        if let Some(auth) = self.property(&resource.properties, "Auth") {
            self.guard_connect(resource, &auth, &mut draft);
        }
        apis.add_websocket(draft);
    }

    fn start_websocket(&mut self, resource: &Resource<'_>) -> WebSocketDraft {
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
                    function: function_in(&function).to_owned(),
                    identity_sources: self.texts(auth, "IdentitySource"),
                };
                match draft.api.routes.get_mut(CONNECT) {
                    Some(route) => route.authorizer = Some(authorizer),
                    None => self
                        .warn(auth.line, format!("{}: an authorizer needs a {CONNECT} route", resource.id)),
                }
            }
            Some(other) => {
                self.warn(auth.line, format!("{}: AuthType {other} is not checked here", resource.id))
            }
        }
    }

    pub(super) fn read_raw_api(&mut self, resource: &Resource<'_>, apis: &mut Apis) {
        match self.text(&resource.properties, "ProtocolType").as_deref() {
            Some("WEBSOCKET") => {
                let draft = self.start_websocket(resource);
                apis.add_websocket(draft);
            }
            Some("HTTP") => self.read_raw_http_api(resource, apis),
            other => self.warn(
                resource.line,
                format!(
                    "{} is left out: its ProtocolType is {}, not HTTP or WEBSOCKET",
                    resource.id,
                    other.unwrap_or("missing")
                ),
            ),
        }
    }

    /// Routes, integrations and responses that are resources of their own, laid onto the APIs they name.
    pub(super) fn read_raw_routes(&mut self, resources: &[Resource<'_>], apis: &mut Apis) {
        let of_kind = |kind: &'static str| resources.iter().filter(move |resource| resource.kind == kind);
        for stage in of_kind("AWS::ApiGatewayV2::Stage") {
            let Some(api) = self.text(&stage.properties, "ApiId") else { continue };
            let Some(name) = self.text(&stage.properties, "StageName") else { continue };
            if let Some(draft) = apis.http(&api) {
                draft.api.stage = name;
                draft.api.stage_variables = self.text_map(&stage.properties, "StageVariables");
            } else if let Some(draft) = apis.websocket(&api) {
                draft.api.stage = name;
                draft.api.stage_variables = self.text_map(&stage.properties, "StageVariables");
            }
        }
        let integrations = self.read_integrations(resources);
        let jwt_authorizers = self.read_raw_jwt_authorizers(resources);
        for route in of_kind("AWS::ApiGatewayV2::Route") {
            self.read_raw_route(route, resources, &integrations, &jwt_authorizers, apis);
        }
        for response in of_kind("AWS::ApiGatewayV2::RouteResponse") {
            self.read_route_response(response, apis);
        }
    }

    fn read_raw_route(
        &mut self,
        route: &Resource<'_>,
        resources: &[Resource<'_>],
        integrations: &BTreeMap<String, Integration>,
        jwt_authorizers: &BTreeMap<String, JwtAuthorizer>,
        apis: &mut Apis,
    ) {
        let properties = &route.properties;
        let Some(key) = self.text(properties, "RouteKey") else {
            return self.warn(route.line, format!("{} is left out: it has no RouteKey", route.id));
        };
        let target = self.text(properties, "Target").unwrap_or_default();
        let Some(integration) = integrations.get(target.trim_start_matches("integrations/")) else {
            return self.warn(
                route.line,
                format!("{key} is left out: its Target is no integration that is emulated"),
            );
        };
        let api = self.text(properties, "ApiId").unwrap_or_default();
        let authorizer_id = self.text(properties, "AuthorizerId");
        let guarded = self.text(properties, "AuthorizationType").filter(|kind| kind != "NONE");
        if let Some(draft) = apis.websocket(&api) {
            if properties.get("RouteResponseSelectionExpression").is_some() {
                draft.response_selected.insert(key.clone());
            }
            draft.route_ids.insert(route.id.to_owned(), key.clone());
            if !draft.add(route.line, &key, integration.clone()) {
                return self
                    .warn(route.line, format!("{key} stands in {} twice: the first is served", draft.id));
            }
            match guarded.as_deref() {
                None => {}
                Some("CUSTOM") => {
                    let id = authorizer_id.unwrap_or_default();
                    let authorizer = self.read_request_authorizer(resources, &id);
                    match (authorizer, apis.websocket(&api).and_then(|draft| draft.api.routes.get_mut(&key)))
                    {
                        (Some(authorizer), Some(route)) => route.authorizer = Some(authorizer),
                        _ => self.warn(route.line, format!("{key}: the template has no authorizer {id}")),
                    }
                }
                Some(other) => {
                    self.warn(route.line, format!("{key}: authorization {other} is not checked here"))
                }
            }
        } else if let Some(draft) = apis.http(&api) {
            let Integration::Lambda(function) = integration else {
                return self
                    .warn(route.line, format!("{key} is left out: HTTP APIs have no MOCK integrations"));
            };
            let key =
                key.split_once(' ').map_or_else(|| key.clone(), |(method, path)| route_key(method, path));
            let authorizer = guarded.map(|kind| authorizer_id.unwrap_or(kind));
            if let Some((id, jwt)) = authorizer.as_ref().and_then(|id| jwt_authorizers.get_key_value(id)) {
                draft.api.authorizers.insert(id.clone(), jwt.clone());
            }
            let scopes = Some(self.texts(properties, "AuthorizationScopes"));
            // A raw route does not inherit SAM's default authorizer.
            let authorizer = authorizer.or_else(|| Some("NONE".to_owned()));
            draft.add_route(route.line, key, function.clone(), RouteAuth { authorizer, scopes });
        } else {
            self.warn(route.line, format!("{key} is left out: its ApiId is no API of this template"));
        }
    }

    fn read_integrations(&mut self, resources: &[Resource<'_>]) -> BTreeMap<String, Integration> {
        let mut integrations = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.kind == "AWS::ApiGatewayV2::Integration")
        {
            let properties = &resource.properties;
            let integration = match self.text(properties, "IntegrationType").as_deref() {
                Some("AWS_PROXY") => {
                    let Some(uri) = self.text(properties, "IntegrationUri") else { continue };
                    Integration::Lambda(function_in(&uri).to_owned())
                }
                Some("MOCK") => {
                    Integration::Mock { response: self.read_mock_response(resource.id, resources) }
                }
                other => {
                    let other = other.unwrap_or("without a type");
                    self.warn(
                        resource.line,
                        format!("{}: integrations {other} are not emulated", resource.id),
                    );
                    continue;
                }
            };
            integrations.insert(resource.id.to_owned(), integration);
        }
        integrations
    }

    /// What the MOCK integration says: the response template that its selection expression names.
    fn read_mock_response(&mut self, integration: &str, resources: &[Resource<'_>]) -> Option<String> {
        for resource in resources.iter().filter(|one| one.kind == "AWS::ApiGatewayV2::IntegrationResponse") {
            let properties = &resource.properties;
            if self.text(properties, "IntegrationId").is_none_or(|id| id != integration) {
                continue;
            }
            let templates = self.text_map(properties, "ResponseTemplates");
            let selected = self.text(properties, "TemplateSelectionExpression");
            let selected = selected.map(|text| text.replace('\\', ""));
            let template = selected.and_then(|key| templates.get(&key)).or_else(|| templates.values().next());
            if template.is_some_and(|text| {
                ["$input", "$context", "#set", "#if"].iter().any(|word| text.contains(word))
            }) {
                self.warn(
                    resource.line,
                    format!(
                        "{}: the template is sent as it stands, variables are not filled in",
                        resource.id
                    ),
                );
            }
            return template.cloned();
        }
        None
    }

    fn read_request_authorizer(&mut self, resources: &[Resource<'_>], id: &str) -> Option<RequestAuthorizer> {
        let resource =
            resources.iter().find(|one| one.id == id && one.kind == "AWS::ApiGatewayV2::Authorizer")?;
        let uri = self.text(&resource.properties, "AuthorizerUri")?;
        Some(RequestAuthorizer {
            name: self.text(&resource.properties, "Name").unwrap_or_else(|| id.to_owned()),
            function: function_in(&uri).to_owned(),
            identity_sources: self.texts(&resource.properties, "IdentitySource"),
        })
    }

    fn read_route_response(&mut self, response: &Resource<'_>, apis: &mut Apis) {
        let properties = &response.properties;
        let api = self.text(properties, "ApiId").unwrap_or_default();
        let route = self.text(properties, "RouteId").unwrap_or_default();
        let Some(draft) = apis.websocket(&api) else {
            return self
                .warn(response.line, format!("{} is left out: its ApiId is no WebSocket API", response.id));
        };
        let Some(key) = draft.route_ids.get(&route).cloned() else {
            return self
                .warn(response.line, format!("{} is left out: there is no route {route}", response.id));
        };
        let selected = draft.response_selected.contains(&key);
        match draft.api.routes.get_mut(&key) {
            Some(found) if selected => found.two_way = true,
            _ => self.warn(
                response.line,
                format!("{key} answers nothing: it has no RouteResponseSelectionExpression"),
            ),
        }
        if self.text(properties, "RouteResponseKey").is_some_and(|key| key != DEFAULT) {
            self.warn(response.line, format!("{}: only the RouteResponseKey {DEFAULT} exists", response.id));
        }
    }
}

impl WebSocketDraft {
    /// False where the key is already taken.
    fn add(&mut self, line: usize, key: &str, integration: Integration) -> bool {
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
