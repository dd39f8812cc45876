//! Intrinsic functions: works out the value of a node for this machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::parameters::Parameters;
use super::problem::Problem;
use super::yaml::{Node, Value};
use crate::aws;

const EXTENSIONS: &str = "AWS::LanguageExtensions";

/// The meaning of the template's names.
#[derive(Clone, Debug)]
pub(super) struct Scope<'t> {
    pub(super) parameters: &'t Parameters,
    pub(super) conditions: BTreeMap<&'t str, &'t Node>,
    pub(super) mappings: Option<&'t Node>,
    /// Resource type by logical id.
    pub(super) resources: BTreeMap<&'t str, &'t str>,
    /// Conditions that are being worked out: one that needs itself is an error, not a hang.
    pub(super) open: RefCell<BTreeSet<String>>,
    /// The template asks for the functions of `AWS::LanguageExtensions`.
    is_extended: bool,
}

impl<'t> Scope<'t> {
    pub(super) fn new(template: &'t Node, parameters: &'t Parameters) -> Self {
        let conditions =
            entries(template.get("Conditions")).map(|(name, node)| (name.as_str(), node)).collect();
        let resources = entries(template.get("Resources"))
            .filter_map(|(name, node)| Some((name.as_str(), node.get("Type")?.as_text()?)))
            .collect();
        let mappings = template.get("Mappings");
        let is_extended = template.get("Transform").is_some_and(|node| match &node.value {
            Value::List(names) => names.iter().any(|name| name.as_text() == Some(EXTENSIONS)),
            _ => node.as_text() == Some(EXTENSIONS),
        });
        Self { parameters, conditions, mappings, resources, open: RefCell::default(), is_extended }
    }

    /// An error where CloudFormation would not know `what`.
    pub(super) fn need_extensions(&self, line: usize, what: &str) -> Result<(), Problem> {
        match self.is_extended {
            true => Ok(()),
            false => Err(Problem::new(line, format!("{what} needs the Transform {EXTENSIONS}"))),
        }
    }

    pub(super) fn resource_type(&self, logical_id: &str) -> Option<&'t str> {
        self.resources.get(logical_id).copied()
    }

    /// The value with every intrinsic function worked out; `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let line = node.line;
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(_) | Value::Literal(_) => node.value.clone(),
            Value::List(items) => {
                let items = items.iter().map(|item| self.resolve(item));
                Value::List(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for (key, node) in entries {
                    if let Some(node) = self.resolve(node)? {
                        resolved.push((key.clone(), node));
                    }
                }
                Value::Map(resolved)
            }
            Value::Intrinsic(name, argument) => return self.call(line, name, argument),
        };
        Ok(Some(Node { line, value }))
    }

    /// The value with an `!If` or `!Ref` at its top worked out; nested ones stay.
    pub(super) fn resolve_top(&self, node: &Node) -> Result<Option<Node>, Problem> {
        match &node.value {
            Value::Intrinsic(name, argument) if name == "If" => {
                let [condition, yes, no] = self.arguments(argument)?;
                self.resolve_top(if self.condition(condition)? { yes } else { no })
            }
            Value::Intrinsic(..) => self.resolve(node),
            _ => Ok(Some(node.clone())),
        }
    }

    pub(super) fn resolve_text(&self, node: &Node) -> Result<String, Problem> {
        match self.resolve(node)? {
            Some(Node { value: Value::Text(text) | Value::Literal(text), .. }) => Ok(text),
            Some(Node { value: Value::Null, .. }) | None => Ok(String::new()),
            Some(other) => Err(Problem::new(node.line, format!("expected a text, found {}", other.kind()))),
        }
    }

    /// Whether the value comes from a resource of this template, and so is only known once that is deployed.
    pub(super) fn comes_from_resource(&self, node: &Node) -> bool {
        let without = Self { resources: BTreeMap::new(), ..self.clone() };
        self.resolve(node).is_ok() && without.resolve(node).is_err()
    }

    pub(super) fn items<'n>(&self, node: &'n Node) -> Result<Vec<&'n Node>, Problem> {
        match &node.value {
            Value::List(items) => Ok(items.iter().collect()),
            _ => Err(Problem::new(node.line, format!("expected a list, found {}", node.kind()))),
        }
    }

    pub(super) fn arguments<'n, const N: usize>(&self, node: &'n Node) -> Result<[&'n Node; N], Problem> {
        let items = self.items(node)?;
        let found = items.len();
        items.try_into().map_err(|_| Problem::new(node.line, format!("expected {N} values, found {found}")))
    }

    fn call(&self, line: usize, name: &str, argument: &Node) -> Result<Option<Node>, Problem> {
        match name {
            "Ref" => self.reference(line, &self.resolve_text(argument)?),
            "GetAtt" => {
                let path = match &argument.value {
                    Value::List(items) => {
                        let parts: Result<Vec<_>, _> =
                            items.iter().map(|item| self.resolve_text(item)).collect();
                        parts?.join(".")
                    }
                    _ => self.resolve_text(argument)?,
                };
                self.attribute(line, &path).map(|text| Some(Node::text(line, text)))
            }
            "Sub" => self.substitute(line, argument).map(|text| Some(Node::text(line, text))),
            "If" => {
                let [condition, yes, no] = self.arguments(argument)?;
                self.resolve(if self.condition(condition)? { yes } else { no })
            }
            "Join" => {
                let [separator, list] = self.arguments(argument)?;
                let texts: Result<Vec<_>, _> =
                    self.list(list)?.iter().map(|item| self.resolve_text(item)).collect();
                Ok(Some(Node::text(line, texts?.join(&self.resolve_text(separator)?))))
            }
            "Select" => {
                let [index, list] = self.arguments(argument)?;
                let index = self.resolve_text(index)?;
                let list = self.list(list)?;
                let chosen = index.parse::<usize>().ok().and_then(|index| list.into_iter().nth(index));
                chosen
                    .map(Some)
                    .ok_or_else(|| Problem::new(line, format!("Select: the list has no item {index}")))
            }
            "Split" => {
                let [separator, text] = self.arguments(argument)?;
                let (separator, text) = (self.resolve_text(separator)?, self.resolve_text(text)?);
                if separator.is_empty() {
                    return Err(Problem::new(line, "Split needs a separator"));
                }
                let items = text.split(separator.as_str()).map(|part| Node::text(line, part)).collect();
                Ok(Some(Node { line, value: Value::List(items) }))
            }
            "Length" => {
                self.need_extensions(line, "Length")?;
                let length = self.list(argument)?.len();
                Ok(Some(Node { line, value: Value::Literal(length.to_string()) }))
            }
            "ToJsonString" => {
                self.need_extensions(line, "ToJsonString")?;
                match self.resolve(argument)? {
                    Some(node) if matches!(node.value, Value::List(_) | Value::Map(_)) => {
                        Ok(Some(Node::text(line, node.to_json_text())))
                    }
                    _ => Err(Problem::new(line, "ToJsonString needs a list or a map")),
                }
            }
            "FindInMap" => self.find_in_map(line, argument).map(Some),
            "GetAZs" => {
                let zones = ["a", "b", "c"].map(|zone| Node::text(line, format!("{}{zone}", aws::REGION)));
                Ok(Some(Node { line, value: Value::List(zones.to_vec()) }))
            }
            "Base64" => {
                use base64::Engine as _;
                let text = self.resolve_text(argument)?;
                Ok(Some(Node::text(line, base64::engine::general_purpose::STANDARD.encode(text))))
            }
            "Equals" | "Not" | "And" | "Or" => {
                let node =
                    Node { line, value: Value::Intrinsic(name.to_owned(), Box::new(argument.clone())) };
                Ok(Some(Node::text(line, self.condition(&node)?.to_string())))
            }
            other => Err(Problem::new(line, format!("the function {other} has no local meaning"))),
        }
    }

    pub(super) fn list(&self, node: &Node) -> Result<Vec<Node>, Problem> {
        match self.resolve(node)? {
            Some(Node { value: Value::List(items), .. }) => Ok(items),
            Some(other) => Err(Problem::new(node.line, format!("expected a list, found {}", other.kind()))),
            None => Ok(Vec::new()),
        }
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = &(String, Node)> {
    node.map(Node::entries).unwrap_or_default().iter()
}
