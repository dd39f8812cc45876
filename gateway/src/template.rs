//! Reading a SAM `template.yaml` into the model of a project.
//!
//! What it does not understand it names with its line: as a warning where going on is safe, as the error
//! where it is not.

mod apis;
mod functions;
mod http;
mod identifiers;
mod intrinsics;
#[cfg(test)]
mod tests;
mod vocabulary;
mod websocket;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::project::Project;
use apis::Apis;
use intrinsics::Scope;
use yaml::{Node, Value};

/// The HTTP API that SAM makes for events which name none.
const IMPLICIT_API: &str = "ServerlessHttpApi";

/// A template, read.
#[derive(Clone, Debug)]
pub struct Template {
    pub project: Project,
    /// `template.yaml:12: …`, in the order of the lines.
    pub warnings: Vec<String>,
}

/// Why a template cannot be served, with the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// Reads the template at `path`; `parameters` win over the defaults it declares.
pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Template, TemplateError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| TemplateError(format!("{} cannot be read: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    parse(&text, &name, folder, parameters)
}

/// As [`read`], from the text: `name` is what warnings call it, `folder` what its paths are relative to.
pub fn parse(
    text: &str,
    name: &str,
    folder: &Path,
    parameters: &BTreeMap<String, String>,
) -> Result<Template, TemplateError> {
    let located = |problem: &Problem| format!("{name}:{}: {}", problem.line, problem.text);
    let (project, mut warnings) = yaml::parse(text)
        .and_then(|root| Reader::new(&root, folder, parameters)?.read())
        .map_err(|problem| TemplateError(located(&problem)))?;
    warnings.sort_by_key(|problem| problem.line);
    // What Globals say is read once for every resource.
    warnings.dedup();
    Ok(Template { project, warnings: warnings.iter().map(located).collect() })
}

/// Something about the template that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    text: String,
}

impl Problem {
    fn new(line: usize, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }
}

/// A resource whose condition holds.
#[derive(Debug)]
struct Resource<'t> {
    id: &'t str,
    kind: &'t str,
    line: usize,
    /// Unresolved: only what is asked for is worked out.
    properties: Node,
}

struct Reader<'t> {
    scope: Scope<'t>,
    resources: Vec<Resource<'t>>,
    /// `Globals.HttpApi`, which also shapes the API that SAM makes by itself.
    http_globals: Option<Node>,
    folder: PathBuf,
    warnings: Vec<Problem>,
}

impl<'t> Reader<'t> {
    fn new(root: &'t Node, folder: &Path, parameters: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let Some(declared) = root.get("Resources") else {
            return Err(Problem::new(root.line, "the template has no Resources"));
        };
        let scope = Scope::new(root, parameters)?;
        let globals = root.get("Globals");
        let mut reader = Self {
            scope,
            resources: Vec::new(),
            http_globals: globals.and_then(|globals| globals.get("HttpApi")).cloned(),
            folder: folder.to_owned(),
            warnings: Vec::new(),
        };
        reader.check_words(&vocabulary::TEMPLATE, root);
        if let Some(globals) = globals {
            reader.check_words(&vocabulary::GLOBALS, globals);
        }
        for (id, node) in declared.entries() {
            if let Some(resource) = reader.read_resource(id, node, globals)? {
                reader.resources.push(resource);
            }
        }
        Ok(reader)
    }

    fn read_resource(
        &mut self,
        id: &'t str,
        node: &'t Node,
        globals: Option<&Node>,
    ) -> Result<Option<Resource<'t>>, Problem> {
        let line = node.line;
        let Some(kind) = node.get("Type").and_then(Node::as_text) else {
            self.warn(line, format!("{id} has no Type and is left out"));
            return Ok(None);
        };
        if let Some(condition) = node.get("Condition")
            && !self.scope.holds(condition.line, condition.as_text().unwrap_or_default())?
        {
            return Ok(None);
        }
        self.check_words(&vocabulary::RESOURCE, node);
        let own = match node.get("Properties") {
            Some(properties) => self.scope.resolve_top(properties)?,
            None => None,
        };
        let own = own.unwrap_or(Node { line, value: Value::Map(Vec::new()) });
        let shared = kind.strip_prefix("AWS::Serverless::").and_then(|kind| globals?.get(kind));
        let properties = match shared {
            Some(shared) => shared.clone().overlay(own),
            None => own,
        };
        Ok(Some(Resource { id, kind, line, properties }))
    }

    fn read(mut self) -> Result<(Project, Vec<Problem>), Problem> {
        let resources = std::mem::take(&mut self.resources);
        let functions = self.read_functions(&resources);
        if functions.is_empty() {
            self.warn(1, "the template has no function that runs here");
        }
        let mut apis = Apis::default();
        for resource in &resources {
            self.check_properties(resource);
            match resource.kind {
                "AWS::Serverless::HttpApi" => self.read_http_api(resource, &mut apis),
                "AWS::Serverless::WebSocketApi" => self.read_websocket_api(resource, &mut apis),
                "AWS::ApiGatewayV2::Api" => self.read_raw_api(resource, &mut apis),
                "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => {
                    self.warn(
                        resource.line,
                        format!("{}: REST APIs are not served, only HTTP and WebSocket APIs", resource.id),
                    );
                }
                "AWS::Lambda::Function" => {
                    self.warn(
                        resource.line,
                        format!("{}: only functions of type AWS::Serverless::Function run here", resource.id),
                    );
                }
                _ => self.check_type(resource),
            }
        }
        for resource in resources.iter().filter(|resource| functions.contains_key(resource.id)) {
            self.read_events(resource, &mut apis);
        }
        self.read_raw_routes(&resources, &mut apis);
        let (http_api, websocket_api) = self.choose(apis, &functions);
        Ok((Project { functions, http_api, websocket_api }, self.warnings))
    }

    fn warn(&mut self, line: usize, text: impl Into<String>) {
        self.warnings.push(Problem::new(line, text));
    }

    /// A property, worked out; one that cannot be is a warning and as good as absent.
    fn property(&mut self, properties: &Node, key: &str) -> Option<Node> {
        match self.scope.resolve(properties.get(key)?) {
            Ok(node) => node.filter(|node| node.value != Value::Null),
            Err(problem) => {
                self.warn(problem.line, format!("{key} is left out: {}", problem.text));
                None
            }
        }
    }

    fn text(&mut self, properties: &Node, key: &str) -> Option<String> {
        let node = self.property(properties, key)?;
        let text = node.as_text().map(str::to_owned);
        if text.is_none() {
            self.warn(node.line, format!("{key} is left out: expected a text, found {}", node.kind()));
        }
        text
    }

    fn number<N>(&mut self, properties: &Node, key: &str, range: RangeInclusive<N>) -> Option<N>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let text = self.text(properties, key)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let why = format!("\"{text}\" is no number from {} to {}", range.start(), range.end());
            self.warn(properties.line_of(key), format!("{key} is left out: {why}"));
        }
        number
    }

    /// A list of texts; a single text counts as a list of one, an empty text as none.
    fn texts(&mut self, properties: &Node, key: &str) -> Vec<String> {
        let Some(node) = self.property(properties, key) else { return Vec::new() };
        let items = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        items.iter().filter_map(Node::as_text).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// A map of texts, each entry on its own: one that cannot be worked out does not take the others along.
    fn text_map(&mut self, properties: &Node, key: &str) -> BTreeMap<String, String> {
        let Some(node) = properties.get(key) else { return BTreeMap::new() };
        let node = match self.scope.resolve_top(node) {
            Ok(Some(node)) => node,
            Ok(None) => return BTreeMap::new(),
            Err(problem) => {
                self.warn(problem.line, format!("{key} is left out: {}", problem.text));
                return BTreeMap::new();
            }
        };
        let names = node.entries().iter().map(|(name, _)| name);
        names.filter_map(|name| Some((name.clone(), self.text(&node, name)?))).collect()
    }
}
