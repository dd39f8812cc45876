//! `AWS::Serverless::Function`: functions, and the HTTP routes that their events add.

use std::collections::BTreeMap;
use std::time::Duration;

use super::apis::{Apis, RouteAuth, route_key};
use super::identifiers::IMPLICIT_API;
use super::reader::{Reader, Resource};
use super::vocabulary;
use super::yaml::{Node, Value};
use crate::aws::{self, limits};
use crate::project::Function;

impl Reader<'_> {
    /// `elsewhere`: those that an Invoke endpoint runs may be of any kind.
    pub(super) fn read_functions(
        &mut self,
        resources: &[Resource<'_>],
        elsewhere: bool,
    ) -> BTreeMap<String, Function> {
        resources
            .iter()
            .filter(|resource| resource.kind == "AWS::Serverless::Function")
            .filter_map(|resource| Some((resource.id.to_owned(), self.read_function(resource, elsewhere)?)))
            .collect()
    }

    fn read_function(&mut self, resource: &Resource<'_>, elsewhere: bool) -> Option<Function> {
        let properties = &resource.properties;
        let skip = |reader: &mut Self, why: &str| {
            reader.warn(resource.line, format!("{} is left out: {why}", resource.id))
        };
        if !elsewhere && self.text(properties, "PackageType").is_some_and(|kind| kind == "Image") {
            skip(self, "container images are not run, only Rust packages");
            return None;
        }
        if let Some(runtime) =
            self.text(properties, "Runtime").filter(|runtime| !elsewhere && !runtime.starts_with("provided"))
        {
            skip(self, &format!("its runtime is {runtime}, only Rust packages (provided.al2023) are run"));
            return None;
        }
        let code_uri =
            self.property(properties, "CodeUri").and_then(|node| node.as_text().map(str::to_owned));
        let Some(code_uri) = code_uri.or_else(|| elsewhere.then(|| resource.id.to_owned())) else {
            skip(self, "its CodeUri names no folder");
            return None;
        };
        let environment = properties.get("Environment").map(|node| self.scope.resolve_top(node));
        let environment = match environment {
            Some(Ok(Some(node))) => {
                self.check_words(&vocabulary::ENVIRONMENT, &node);
                self.read_variables(&node)
            }
            Some(Err(problem)) => {
                self.warn(problem.line, format!("Environment is left out: {}", problem.text));
                BTreeMap::new()
            }
            _ => BTreeMap::new(),
        };
        self.note_name(resource);
        let code_uri = normalize(&self.folder.join(code_uri));
        let binary = self.read_binary(resource);
        let folder = code_uri.file_name().map(|name| name.to_string_lossy().into_owned());
        Some(Function {
            name: resource.id.to_owned(),
            program: binary.clone().or(folder).unwrap_or_else(|| resource.id.to_owned()),
            code_uri,
            binary,
            handler: self.text(properties, "Handler").unwrap_or_else(|| "bootstrap".to_owned()),
            environment,
            timeout: Duration::from_secs(
                self.number(properties, "Timeout", limits::TIMEOUT_SECONDS)
                    .unwrap_or(limits::DEFAULT_TIMEOUT_SECONDS),
            ),
            memory_mb: self
                .number(properties, "MemorySize", limits::MEMORY_MB)
                .unwrap_or(limits::DEFAULT_MEMORY_MB),
        })
    }

    /// Its own name matters only where an integration uses it, so nobody is asked for what is needed to know it.
    fn note_name(&mut self, resource: &Resource<'_>) {
        let Some(node) = resource.properties.get("FunctionName") else { return };
        let scope = &self.scope;
        if let Some(Ok(name)) = scope.parameters.without_asking(|| scope.resolve_text(node)) {
            self.function_names.insert(name, resource.id.to_owned());
        }
    }

    /// Those of the template that are not given from outside.
    fn read_variables(&mut self, environment: &Node) -> BTreeMap<String, String> {
        let mut environment = environment.clone();
        if let Value::Map(entries) = &mut environment.value {
            for (_, variables) in entries.iter_mut().filter(|(key, _)| key == "Variables") {
                if let Value::Map(variables) = &mut variables.value {
                    variables.retain(|(name, _)| !self.given.contains(name));
                }
            }
        }
        self.text_map(&environment, "Variables")
    }

    /// `Metadata.BuildProperties.Binary`, which `sam build` hands to cargo-lambda.
    fn read_binary(&mut self, resource: &Resource<'_>) -> Option<String> {
        self.text(resource.metadata?.get("BuildProperties")?, "Binary")
    }

    pub(super) fn read_events(&mut self, resource: &Resource<'_>, apis: &mut Apis) {
        let Some(events) = resource.properties.get("Events") else { return };
        for (name, event) in events.entries() {
            let event = match self.scope.resolve_top(event) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(problem) => {
                    self.warn(
                        problem.line,
                        format!("{}: event {name} is left out: {}", resource.id, problem.text),
                    );
                    continue;
                }
            };
            self.check_words(&vocabulary::EVENT, &event);
            match event.get("Type").and_then(Node::as_text) {
                Some("HttpApi") => self.read_http_event(resource, event.line, event.get("Properties"), apis),
                Some(other) => {
                    self.warn(event.line, format!("{}: events of type {other} are not served", resource.id));
                }
                None => self.warn(event.line, format!("{}: event {name} has no Type", resource.id)),
            }
        }
    }

    fn read_http_event(
        &mut self,
        resource: &Resource<'_>,
        line: usize,
        properties: Option<&Node>,
        apis: &mut Apis,
    ) {
        let nothing = Node { line, value: Value::Map(Vec::new()) };
        let properties = properties.unwrap_or(&nothing);
        self.check_words(&vocabulary::HTTP_EVENT, properties);
        let path = self.text(properties, "Path");
        let method = self.text(properties, "Method");
        let route_key = match (path, method) {
            // It stands for every method of every path.
            (Some(path), _) if path == aws::DEFAULT => path,
            (Some(path), Some(method)) => route_key(&method, &path),
            (Some(path), None) => {
                self.warn(line, format!("{}: SAM refuses an event with a Path and no Method", resource.id));
                route_key("ANY", &path)
            }
            // SAM does the same with an event that names neither.
            (None, method) => {
                if method.is_some() {
                    self.warn(
                        line,
                        format!("{}: SAM refuses an event with a Method and no Path", resource.id),
                    );
                }
                aws::DEFAULT.to_owned()
            }
        };
        let api = match properties.get("ApiId") {
            Some(_) => match self.text(properties, "ApiId") {
                Some(api) => api,
                None => return,
            },
            None => {
                if apis.http(IMPLICIT_API).is_none() {
                    self.read_implicit_api(apis);
                }
                IMPLICIT_API.to_owned()
            }
        };
        if self.text(properties, "PayloadFormatVersion").is_some_and(|version| version != "2.0") {
            self.warn(line, format!("{}: events have payload format 2.0 here, no other", resource.id));
        }
        let auth = match self.property(properties, "Auth") {
            Some(auth) => {
                self.check_words(&vocabulary::HTTP_EVENT_AUTH, &auth);
                let names_scopes = auth.get("AuthorizationScopes").is_some();
                RouteAuth {
                    authorizer: self.text(&auth, "Authorizer"),
                    scopes: names_scopes.then(|| self.texts(&auth, "AuthorizationScopes")),
                }
            }
            None => RouteAuth::default(),
        };
        match apis.http(&api) {
            Some(draft) => {
                if let Some(unknown) = auth.authorizer.as_ref().filter(|name| !draft.has_authorizer(name)) {
                    let why =
                        format!("{route_key}: SAM refuses it, {} has no authorizer {unknown}", draft.id);
                    self.warn(line, why);
                }
                draft.add_route(line, route_key, resource.id.to_owned(), auth);
            }
            None => {
                self.warn(line, format!("{route_key} is left out: its ApiId is no HTTP API of this template"))
            }
        }
    }
}

/// Without `.` and `..`, so that the folder can be compared with what cargo reports.
fn normalize(path: &std::path::Path) -> std::path::PathBuf {
    use std::path::Component;
    let mut result = std::path::PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}
