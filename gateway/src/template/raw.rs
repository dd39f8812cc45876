//! APIs made of raw `AWS::ApiGatewayV2` resources: routes, integrations and responses are resources of their own.

use std::collections::BTreeMap;

use super::apis::{Apis, HttpDraft, RouteAuth, route_key};
use super::reader::{Reader, Resource};
use crate::aws::{CONNECT, DEFAULT};
use crate::project::{Integration, JwtAuthorizer, RequestAuthorizer};

impl Reader<'_> {
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

    /// An `AWS::ApiGatewayV2::Api` of protocol HTTP; its routes come with [`Self::read_raw_routes`].
    fn read_raw_http_api(&mut self, resource: &Resource<'_>, apis: &mut Apis) {
        let mut draft = HttpDraft::new(resource.id, resource.line);
        draft.api.cors = self.read_cors(&resource.properties);
        if let Some(target) = self.text(&resource.properties, "Target") {
            let route_key = self.text(&resource.properties, "RouteKey").unwrap_or_else(|| DEFAULT.to_owned());
            let function = self.function_in(&target);
            draft.add_route(resource.line, route_key, function, RouteAuth::default());
        }
        if let Some(node) = resource.properties.get("Body") {
            self.warn(node.line, format!("{}: Body is not read, only Route resources are", resource.id));
        }
        apis.add_http(draft);
    }

    /// Adds stages, routes, integrations and responses to the APIs that they name.
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
        let integrations = self.read_integrations(resources, apis);
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
        let api = self.text(properties, "ApiId").unwrap_or_default();
        let guarded = self.text(properties, "AuthorizationType").filter(|kind| kind != "NONE");
        let target = self.text(properties, "Target").unwrap_or_default();
        let Some(integration) = integrations.get(target.trim_start_matches("integrations/")) else {
            let mut why = format!("{key} is left out: its Target is no integration that is emulated");
            if key == CONNECT
                && guarded.is_some()
                && let Some(draft) = apis.websocket(&api)
            {
                why = draft.close(why);
            }
            return self.warn(route.line, why);
        };
        let authorizer_id = self.text(properties, "AuthorizerId");
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
                    let guarded = authorizer.and_then(|authorizer| {
                        let route = apis.websocket(&api)?.api.routes.get_mut(&key)?;
                        route.authorizer = Some(authorizer);
                        Some(())
                    });
                    if guarded.is_none() {
                        let why = format!("{key}: the template has no authorizer {id}");
                        self.close_route(route, &key, &api, why, apis);
                    }
                }
                Some(other) => {
                    let why = format!("{key}: authorization {other} is not emulated");
                    self.close_route(route, &key, &api, why, apis);
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

    /// Warns of an authorization that cannot be emulated; the platform asks for one at `$connect` alone.
    fn close_route(&mut self, route: &Resource<'_>, key: &str, api: &str, why: String, apis: &mut Apis) {
        let why = match apis.websocket(api) {
            Some(draft) if key == CONNECT => draft.close(why),
            _ => why,
        };
        self.warn(route.line, why);
    }

    /// JWT authorizers made as resources of their own, by logical id.
    fn read_raw_jwt_authorizers(&mut self, resources: &[Resource<'_>]) -> BTreeMap<String, JwtAuthorizer> {
        let mut authorizers = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.kind == "AWS::ApiGatewayV2::Authorizer") {
            let properties = &resource.properties;
            if self.text(properties, "AuthorizerType").is_none_or(|kind| kind != "JWT") {
                continue;
            }
            let source = self.texts(properties, "IdentitySource").into_iter().next();
            let issuer = properties.get("JwtConfiguration").and_then(|jwt| jwt.get("Issuer"));
            let created = issuer.is_some_and(|issuer| self.scope.comes_from_resource(issuer));
            if let Some(jwt) = self.property(properties, "JwtConfiguration") {
                authorizers.insert(resource.id.to_owned(), self.read_jwt(&jwt, source, created));
            }
        }
        authorizers
    }

    fn read_request_authorizer(&mut self, resources: &[Resource<'_>], id: &str) -> Option<RequestAuthorizer> {
        let resource =
            resources.iter().find(|one| one.id == id && one.kind == "AWS::ApiGatewayV2::Authorizer")?;
        let uri = self.text(&resource.properties, "AuthorizerUri")?;
        Some(RequestAuthorizer {
            name: self.text(&resource.properties, "Name").unwrap_or_else(|| id.to_owned()),
            function: self.function_in(&uri),
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
