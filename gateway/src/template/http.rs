//! HTTP APIs from `AWS::Serverless::HttpApi`, and CORS and JWT authorizers, which raw resources spell alike.

use super::apis::{Apis, HttpDraft};
use super::identifiers::IMPLICIT_API;
use super::reader::{Reader, Resource};
use super::vocabulary;
use super::yaml::{Node, Value};
use crate::aws::limits;
use crate::project::{Cors, JwtAuthorizer};

const BEARER: &str = "$request.header.Authorization";

impl Reader<'_> {
    pub(super) fn read_http_api(&mut self, resource: &Resource<'_>, apis: &mut Apis) {
        let properties = &resource.properties;
        let mut draft = HttpDraft::new(resource.id, resource.line);
        if let Some(stage) = self.text(properties, "StageName") {
            draft.api.stage = stage;
        }
        draft.api.stage_variables = self.text_map(properties, "StageVariables");
        draft.api.cors = self.read_cors(properties);
        for key in ["DefinitionBody", "DefinitionUri"] {
            if let Some(node) = properties.get(key) {
                self.warn(
                    node.line,
                    format!("{}: {key} is not read, only the HttpApi events of functions are", resource.id),
                );
            }
        }
        if let Some(auth) = properties.get("Auth").cloned() {
            self.read_auth(resource.id, &auth, &mut draft);
            let unknown = draft.default_authorizer.as_ref().filter(|name| !draft.has_authorizer(name));
            if let Some(name) = unknown {
                let why = format!("{}: SAM refuses it, it has no DefaultAuthorizer {name}", resource.id);
                self.warn(auth.line, why);
            }
        }
        apis.add_http(draft);
    }

    /// The API that SAM makes for events which name none.
    pub(super) fn read_implicit_api(&mut self, apis: &mut Apis) {
        let properties = self.http_globals.clone().unwrap_or(Node { line: 1, value: Value::Map(Vec::new()) });
        let line = properties.line;
        let resource =
            Resource { id: IMPLICIT_API, kind: "AWS::Serverless::HttpApi", line, metadata: None, properties };
        self.check_properties(&resource);
        self.read_http_api(&resource, apis);
    }

    pub(super) fn read_cors(&mut self, properties: &Node) -> Option<Cors> {
        let node = self.property(properties, "CorsConfiguration")?;
        match &node.value {
            Value::Text(text) | Value::Literal(text) if text == "false" => None,
            Value::Text(text) | Value::Literal(text) => {
                if text != "true" {
                    let why = "a deployment refuses a text";
                    self.warn(node.line, format!("CorsConfiguration is read as an origin: {why}"));
                }
                let origin = if text == "true" { "*" } else { text };
                Some(Cors { allow_origins: vec![origin.to_owned()], ..Cors::default() })
            }
            Value::Map(_) => {
                self.check_words(&vocabulary::CORS, &node);
                Some(Cors {
                    allow_origins: self.texts(&node, "AllowOrigins"),
                    allow_methods: self.texts(&node, "AllowMethods"),
                    allow_headers: self.texts(&node, "AllowHeaders"),
                    expose_headers: self.texts(&node, "ExposeHeaders"),
                    allow_credentials: node.get("AllowCredentials").is_some_and(Node::is_true),
                    max_age_seconds: self.number(&node, "MaxAge", limits::CORS_MAX_AGES),
                })
            }
            _ => {
                self.warn(node.line, format!("CorsConfiguration is left out: {} says nothing", node.kind()));
                None
            }
        }
    }

    fn read_auth(&mut self, api: &str, auth: &Node, draft: &mut HttpDraft) {
        let auth = match self.scope.resolve_top(auth) {
            Ok(Some(auth)) => auth,
            Ok(None) => return,
            Err(problem) => {
                return self.warn(problem.line, format!("{api}: Auth is left out: {}", problem.text));
            }
        };
        self.check_words(&vocabulary::HTTP_AUTH, &auth);
        draft.default_authorizer = self.text(&auth, "DefaultAuthorizer");
        let authorizers = auth.get("Authorizers").map(|node| self.scope.resolve_top(node));
        let Some(Ok(Some(authorizers))) = authorizers else { return };
        for (name, node) in authorizers.entries() {
            draft.authorizers.insert(name.clone());
            let Some(node) =
                self.property(&authorizers, name).map(|resolved| Node { line: node.line, ..resolved })
            else {
                continue;
            };
            let Some(jwt) = node.get("JwtConfiguration") else {
                self.warn(
                    node.line,
                    format!("{api}: authorizer {name} is not emulated, only JWT authorizers are"),
                );
                continue;
            };
            self.check_words(&vocabulary::JWT_AUTHORIZER, &node);
            let scopes = self.texts(&node, "AuthorizationScopes");
            draft.default_scopes.insert(name.clone(), scopes);
            let identity_source = self.text(&node, "IdentitySource");
            let issuer = authorizers.get(name).and_then(|node| node.get("JwtConfiguration")?.get("issuer"));
            let created = issuer.is_some_and(|issuer| self.scope.comes_from_resource(issuer));
            let authorizer = self.read_jwt(jwt, identity_source, created);
            draft.api.authorizers.insert(name.clone(), authorizer);
        }
    }

    /// Keys are lowercase in SAM and capitalized in the raw resource. `created`: the issuer is one of the
    /// template's resources.
    pub(super) fn read_jwt(
        &mut self,
        jwt: &Node,
        identity_source: Option<String>,
        created: bool,
    ) -> JwtAuthorizer {
        self.check_words(&vocabulary::JWT_CONFIGURATION, jwt);
        let issuer = self.text(jwt, "issuer").or_else(|| self.text(jwt, "Issuer")).unwrap_or_default();
        let mut audience = self.texts(jwt, "audience");
        audience.extend(self.texts(jwt, "Audience"));
        if issuer.is_empty() {
            self.warn(jwt.line, "the JWT authorizer has no issuer and refuses every request once deployed");
        }
        JwtAuthorizer {
            needs_stand_in: created || issuer.is_empty(),
            issuer,
            audience,
            identity_source: identity_source.unwrap_or_else(|| BEARER.to_owned()),
        }
    }
}
