//! Parameters, conditions and intrinsic functions: works out the value of a node for this machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::identifiers::IMPLICIT_API;
use super::problem::Problem;
use super::yaml::{Node, Value};
use crate::aws;

const STACK: &str = "local";

/// The meaning of the template's names.
#[derive(Clone, Debug)]
pub(super) struct Scope<'t> {
    parameters: BTreeMap<String, Node>,
    conditions: BTreeMap<&'t str, &'t Node>,
    mappings: Option<&'t Node>,
    /// Resource type by logical id.
    resources: BTreeMap<&'t str, &'t str>,
    /// Conditions that are being worked out: one that needs itself is an error, not a hang.
    open: RefCell<BTreeSet<String>>,
}

impl<'t> Scope<'t> {
    pub(super) fn new(template: &'t Node, overrides: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let parameters = read_parameters(template.get("Parameters"), overrides)?;
        let conditions =
            entries(template.get("Conditions")).map(|(name, node)| (name.as_str(), node)).collect();
        let resources = entries(template.get("Resources"))
            .filter_map(|(name, node)| Some((name.as_str(), node.get("Type")?.as_text()?)))
            .collect();
        let mappings = template.get("Mappings");
        Ok(Self { parameters, conditions, mappings, resources, open: RefCell::default() })
    }

    pub(super) fn resource_type(&self, logical_id: &str) -> Option<&'t str> {
        self.resources.get(logical_id).copied()
    }

    /// The value with every intrinsic function worked out; `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let line = node.line;
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(text.clone()),
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
            Some(Node { value: Value::Text(text), .. }) => Ok(text),
            Some(Node { value: Value::Null, .. }) | None => Ok(String::new()),
            Some(other) => Err(Problem::new(node.line, format!("expected a text, found {}", other.kind()))),
        }
    }

    /// Whether the value comes from a resource of this template, and so is only known once that is deployed.
    pub(super) fn comes_from_resource(&self, node: &Node) -> bool {
        let without = Self { resources: BTreeMap::new(), ..self.clone() };
        self.resolve(node).is_ok() && without.resolve(node).is_err()
    }

    /// Whether a resource with this `Condition` exists.
    pub(super) fn holds(&self, line: usize, condition: &str) -> Result<bool, Problem> {
        let Some(node) = self.conditions.get(condition) else {
            return Err(Problem::new(line, format!("no condition is called {condition}")));
        };
        if !self.open.borrow_mut().insert(condition.to_owned()) {
            return Err(Problem::new(line, format!("condition {condition} needs itself")));
        }
        let holds = self.condition(node);
        self.open.borrow_mut().remove(condition);
        holds
    }

    fn condition(&self, node: &Node) -> Result<bool, Problem> {
        match &node.value {
            Value::Intrinsic(name, argument) => match name.as_str() {
                "Equals" => {
                    let [left, right] = self.arguments(argument)?;
                    Ok(self.resolve(left)?.map(|node| node.to_json())
                        == self.resolve(right)?.map(|node| node.to_json()))
                }
                "Not" => {
                    let [inner] = self.arguments(argument)?;
                    Ok(!self.condition(inner)?)
                }
                "And" => self
                    .items(argument)?
                    .into_iter()
                    .try_fold(true, |all, one| Ok(all && self.condition(one)?)),
                "Or" => self
                    .items(argument)?
                    .into_iter()
                    .try_fold(false, |any, one| Ok(any || self.condition(one)?)),
                "Condition" => self.holds(node.line, argument.as_text().unwrap_or_default()),
                other => Err(Problem::new(node.line, format!("{other} cannot stand in a condition"))),
            },
            // The name alone, as in `!If [Name, …]`.
            Value::Text(name) => self.holds(node.line, name),
            Value::Map(entries) => match entries.as_slice() {
                [(key, name)] if key == "Condition" => {
                    self.holds(node.line, name.as_text().unwrap_or_default())
                }
                _ => Err(Problem::new(node.line, "this is no condition")),
            },
            _ => Err(Problem::new(node.line, "this is no condition")),
        }
    }

    fn items<'n>(&self, node: &'n Node) -> Result<Vec<&'n Node>, Problem> {
        match &node.value {
            Value::List(items) => Ok(items.iter().collect()),
            _ => Err(Problem::new(node.line, format!("expected a list, found {}", node.kind()))),
        }
    }

    fn arguments<'n, const N: usize>(&self, node: &'n Node) -> Result<[&'n Node; N], Problem> {
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

    fn list(&self, node: &Node) -> Result<Vec<Node>, Problem> {
        match self.resolve(node)? {
            Some(Node { value: Value::List(items), .. }) => Ok(items),
            Some(other) => Err(Problem::new(node.line, format!("expected a list, found {}", other.kind()))),
            None => Ok(Vec::new()),
        }
    }

    fn find_in_map(&self, line: usize, argument: &Node) -> Result<Node, Problem> {
        let keys = self.items(argument)?;
        let keys =
            keys.into_iter().take(3).map(|key| self.resolve_text(key)).collect::<Result<Vec<_>, _>>()?;
        let found = self.mappings.and_then(|all| keys.iter().try_fold(all, |node, key| node.get(key)));
        found.cloned().ok_or_else(|| Problem::new(line, format!("Mappings hold no {}", keys.join("."))))
    }

    fn reference(&self, line: usize, name: &str) -> Result<Option<Node>, Problem> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(parameter) = self.parameters.get(name) {
            return Ok(Some(Node { line, value: parameter.value.clone() }));
        }
        let text = match name {
            "AWS::Region" => aws::REGION.to_owned(),
            "AWS::AccountId" => aws::ACCOUNT.to_owned(),
            "AWS::URLSuffix" => aws::URL_SUFFIX.to_owned(),
            "AWS::Partition" => aws::PARTITION.to_owned(),
            "AWS::StackName" => STACK.to_owned(),
            "AWS::StackId" => aws::arn("cloudformation", &format!("stack/{STACK}/{STACK}")),
            _ => match self.resource_type(name) {
                Some(
                    "AWS::Serverless::HttpApi"
                    | "AWS::Serverless::WebSocketApi"
                    | "AWS::ApiGatewayV2::Api"
                    | "AWS::Serverless::Api",
                ) => aws::api_id(name),
                Some(_) => name.to_owned(),
                None if name == IMPLICIT_API => aws::api_id(name),
                // SAM generates resources whose names start with that of their origin.
                None if self.is_generated(name) => name.to_owned(),
                None => return Err(Problem::new(line, format!("nothing in the template is called {name}"))),
            },
        };
        Ok(Some(Node::text(line, text)))
    }

    fn is_generated(&self, name: &str) -> bool {
        name.starts_with(IMPLICIT_API)
            || self
                .resources
                .iter()
                .any(|(id, kind)| kind.starts_with("AWS::Serverless::") && name.starts_with(id))
    }

    /// The value of `LogicalId.Attribute`; a placeholder for resources that exist in the cloud only.
    fn attribute(&self, line: usize, path: &str) -> Result<String, Problem> {
        let (name, attribute) = path.split_once('.').unwrap_or((path, ""));
        let Some(kind) = self.resource_type(name) else {
            return match self.is_generated(name) {
                true => Ok(name.to_owned()),
                false => Err(Problem::new(line, format!("nothing in the template is called {name}"))),
            };
        };
        Ok(match (kind, attribute) {
            ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => aws::function_arn(name),
            (_, attribute) if attribute.ends_with("Arn") => aws::arn("local", name),
            (_, attribute) if attribute.ends_with("Port") => "6379".to_owned(),
            ("AWS::Serverless::HttpApi" | "AWS::ApiGatewayV2::Api", "ApiEndpoint") => {
                format!("https://{}", aws::api_domain(&aws::api_id(name)))
            }
            _ => format!("{name}.{attribute}.invalid"),
        })
    }

    fn substitute(&self, line: usize, argument: &Node) -> Result<String, Problem> {
        let (template, own) = match &argument.value {
            Value::List(_) => {
                let [template, own] = self.arguments(argument)?;
                (template, own.entries())
            }
            _ => (argument, [].as_slice()),
        };
        let Some(template) = template.as_text() else {
            return Err(Problem::new(line, "Sub needs a text"));
        };
        let mut result = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            result.push_str(&rest[..start]);
            let name = rest[start + 2..start + length].trim();
            rest = &rest[start + length + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
                continue;
            }
            result.push_str(&match own.iter().find(|(key, _)| key == name) {
                Some((_, node)) => self.resolve_text(node)?,
                None => match self.reference(line, name) {
                    Ok(Some(Node { value: Value::Text(text), .. })) => text,
                    Ok(None) => String::new(),
                    Ok(Some(other)) => {
                        return Err(Problem::new(
                            line,
                            format!("{name} is {} and cannot stand in a text", other.kind()),
                        ));
                    }
                    Err(problem) => match name.contains('.') {
                        true => self.attribute(line, name)?,
                        false => return Err(problem),
                    },
                },
            });
        }
        result.push_str(rest);
        Ok(result)
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = &(String, Node)> {
    node.map(Node::entries).unwrap_or_default().iter()
}

fn read_parameters(
    declared: Option<&Node>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Node>, Problem> {
    for name in overrides.keys() {
        if declared.and_then(|node| node.get(name)).is_none() {
            let line = declared.map_or(1, |node| node.line);
            return Err(Problem::new(line, format!("the template has no parameter {name}")));
        }
    }
    entries(declared)
        .map(|(name, node)| Ok((name.clone(), read_parameter(name, node, overrides.get(name))?)))
        .collect()
}

fn read_parameter(name: &str, node: &Node, given: Option<&String>) -> Result<Node, Problem> {
    let problem = |text: String| Problem::new(node.line, text);
    let kind = node.get("Type").and_then(Node::as_text).unwrap_or("String");
    let default = node.get("Default");
    let value = match (given, default) {
        (Some(given), _) => given.clone(),
        (None, Some(default)) => default.as_text().unwrap_or_default().to_owned(),
        (None, None) => {
            return Err(problem(format!(
                "parameter {name} has no default: give it a value (--parameter {name}=…)"
            )));
        }
    };
    if kind == "Number" && value.parse::<f64>().is_err() {
        return Err(problem(format!("parameter {name} must be a number, not \"{value}\"")));
    }
    if let Some(Node { value: Value::List(allowed), .. }) = node.get("AllowedValues")
        && !allowed.iter().any(|one| one.as_text().unwrap_or_default() == value)
    {
        let allowed: Vec<_> = allowed.iter().filter_map(Node::as_text).collect();
        return Err(problem(format!(
            "parameter {name} must be one of {}, not \"{value}\"",
            allowed.join(", ")
        )));
    }
    let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
    if !is_list {
        return Ok(Node::text(node.line, value));
    }
    let items = value.split(',').map(|item| Node::text(node.line, item.trim())).collect();
    Ok(Node { line: node.line, value: Value::List(items) })
}
