//! The reader of a template: gives resources and properties with their values worked out, and gathers warnings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::identifiers::function_in;
use super::intrinsics::Scope;
use super::parameters::Parameters;
use super::problem::Problem;
use super::vocabulary::{self, Part};
use super::yaml::{Node, Value};

/// The start of a dynamic reference, to a value that is kept elsewhere.
const RESOLVE: &str = "{{resolve:";

/// A resource whose condition holds.
#[derive(Debug)]
pub(super) struct Resource<'t> {
    pub(super) id: &'t str,
    pub(super) kind: &'t str,
    pub(super) line: usize,
    pub(super) metadata: Option<&'t Node>,
    /// As written: a value is worked out when it is read, so that unused ones cannot fail.
    pub(super) properties: Node,
}

/// The state of reading one template.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    pub(super) scope: Scope<'t>,
    /// `Globals.HttpApi`, which also shapes the API that SAM makes by itself.
    pub(super) http_globals: Option<Node>,
    pub(super) folder: PathBuf,
    /// Names of variables that every function is given, so that the template's values of them do not matter.
    pub(super) given: &'t BTreeSet<String>,
    /// Logical id by `FunctionName`.
    pub(super) function_names: BTreeMap<String, String>,
    pub(super) warnings: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// A reader of this template, and the resources that exist in it.
    pub(super) fn open(
        root: &'t Node,
        folder: &Path,
        parameters: &'t Parameters,
        given: &'t BTreeSet<String>,
    ) -> Result<(Self, Vec<Resource<'t>>), Problem> {
        let Some(declared) = root.get("Resources") else {
            return Err(Problem::new(root.line, "the template has no Resources"));
        };
        let scope = Scope::new(root, parameters);
        let globals = root.get("Globals");
        let mut reader = Self {
            scope,
            http_globals: globals.and_then(|globals| globals.get("HttpApi")).cloned(),
            folder: folder.to_owned(),
            given,
            function_names: BTreeMap::new(),
            warnings: Vec::new(),
        };
        reader.check_words(&vocabulary::TEMPLATE, root);
        if let Some(globals) = globals {
            reader.check_words(&vocabulary::GLOBALS, globals);
        }
        let mut resources = Vec::new();
        for (id, node) in declared.entries() {
            resources.extend(reader.read_resource(id, node, globals)?);
        }
        Ok((reader, resources))
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
        if !self.exists(kind, node)? {
            return Ok(None);
        }
        self.check_words(&vocabulary::RESOURCE, node);
        let own = match node.get("Properties").filter(|_| vocabulary::is_read(kind)) {
            Some(properties) => self.scope.resolve_top(properties)?,
            None => None,
        };
        let own = own.unwrap_or(Node { line, value: Value::Map(Vec::new()) });
        let shared = kind.strip_prefix("AWS::Serverless::").and_then(|kind| globals?.get(kind));
        let properties = match shared {
            Some(shared) => shared.clone().overlay(own),
            None => own,
        };
        Ok(Some(Resource { id, kind, line, metadata: node.get("Metadata"), properties }))
    }

    /// Whether a resource's condition holds. Nobody is asked for parameters that only matter for those not read.
    fn exists(&self, kind: &str, resource: &Node) -> Result<bool, Problem> {
        let Some(condition) = resource.get("Condition") else { return Ok(true) };
        let holds = || self.scope.holds(condition.line, condition.as_text().unwrap_or_default());
        match vocabulary::is_read(kind) {
            true => holds(),
            false => Ok(!matches!(self.scope.parameters.without_asking(holds), Some(Ok(false)))),
        }
    }

    /// The logical id of the function that a text names: by its ARN, an integration URI, or its `FunctionName`.
    pub(super) fn function_in(&self, text: &str) -> String {
        let name = function_in(text);
        self.function_names.get(name).map_or(name, String::as_str).to_owned()
    }

    pub(super) fn warn(&mut self, line: usize, text: impl Into<String>) {
        self.warnings.push(Problem::new(line, text));
    }

    /// The value of a property. One that cannot be worked out is a warning and counts as absent.
    pub(super) fn property(&mut self, properties: &Node, key: &str) -> Option<Node> {
        match self.scope.resolve(properties.get(key)?) {
            Ok(node) => node.filter(|node| node.value != Value::Null),
            Err(problem) => {
                self.warn(problem.line, format!("{key} is left out: {}", problem.text));
                None
            }
        }
    }

    pub(super) fn text(&mut self, properties: &Node, key: &str) -> Option<String> {
        let node = self.property(properties, key)?;
        let Some(text) = node.as_text() else {
            self.warn(node.line, format!("{key} is left out: expected a text, found {}", node.kind()));
            return None;
        };
        if let Some((_, reference)) = text.split_once(RESOLVE) {
            let reference = reference.split_once("}}").map_or(reference, |(reference, _)| reference);
            let why = format!(
                "{RESOLVE}{reference}}}}} is known only once deployed; --env {key}=… gives a variable"
            );
            self.warn(node.line, format!("{key} is left out: {why}"));
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn number<N>(&mut self, properties: &Node, key: &str, range: RangeInclusive<N>) -> Option<N>
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
    pub(super) fn texts(&mut self, properties: &Node, key: &str) -> Vec<String> {
        let Some(node) = self.property(properties, key) else { return Vec::new() };
        let items = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        items.iter().filter_map(Node::as_text).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// A map of texts. An entry that cannot be worked out is left out, the others stay.
    pub(super) fn text_map(&mut self, properties: &Node, key: &str) -> BTreeMap<String, String> {
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

    /// Warns of each word in `node` that has no effect.
    pub(super) fn check_words(&mut self, part: &Part, node: &Node) {
        for (word, value) in node.entries() {
            if let Some(why) = part.objection(word) {
                self.warn(value.line, format!("{word} is left out: {why}"));
            }
        }
    }

    /// The same for a resource's properties, where its type is one that is read.
    pub(super) fn check_properties(&mut self, resource: &Resource<'_>) {
        if let Some(part) = vocabulary::properties_of(resource.kind) {
            self.check_words(part, &resource.properties);
        }
    }

    /// Warns of a resource that the gateway could serve and does not.
    pub(super) fn check_type(&mut self, resource: &Resource<'_>) {
        if let Some(why) = vocabulary::objection_to_type(resource.kind) {
            self.warn(resource.line, format!("{}: {} is left out: {why}", resource.id, resource.kind));
        }
    }
}
