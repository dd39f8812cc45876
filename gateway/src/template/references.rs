//! What stands for something else: parameters, resources and their attributes, mappings, and texts with these in them.

use super::identifiers::IMPLICIT_API;
use super::intrinsics::Scope;
use super::problem::Problem;
use super::vocabulary;
use super::yaml::{Node, Value};
use crate::aws;

const STACK: &str = "local";

impl Scope<'_> {
    pub(super) fn find_in_map(&self, line: usize, argument: &Node) -> Result<Node, Problem> {
        let (keys, default) = match self.items(argument)?.as_slice() {
            [keys @ .., last] if keys.len() == 3 => (keys.to_vec(), Some(*last)),
            keys => (keys.to_vec(), None),
        };
        let keys = keys.into_iter().map(|key| self.resolve_text(key)).collect::<Result<Vec<_>, _>>()?;
        if keys.len() != 3 {
            return Err(Problem::new(
                line,
                format!("FindInMap needs a map and two keys, found {}", keys.len()),
            ));
        }
        let found = self.mappings.and_then(|all| keys.iter().try_fold(all, |node, key| node.get(key)));
        let missing = || Problem::new(line, format!("Mappings hold no {}", keys.join(".")));
        match (found, default) {
            (Some(found), _) => Ok(found.clone()),
            (None, None) => Err(missing()),
            (None, Some(default)) => {
                self.need_extensions(line, "DefaultValue of FindInMap")?;
                self.resolve(default.get("DefaultValue").ok_or_else(missing)?)?.ok_or_else(missing)
            }
        }
    }

    pub(super) fn reference(&self, line: usize, name: &str) -> Result<Option<Node>, Problem> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.value(line, name)? {
            return Ok(Some(Node { line, value }));
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
        let is_start = |id: &str| name.starts_with(id) && !name.contains('.');
        is_start(IMPLICIT_API)
            || self.resources.iter().any(|(id, kind)| kind.starts_with("AWS::Serverless::") && is_start(id))
    }

    /// The value of `LogicalId.Attribute`; a placeholder for resources that exist in the cloud only.
    pub(super) fn attribute(&self, line: usize, path: &str) -> Result<String, Problem> {
        let (name, attribute) = path.split_once('.').unwrap_or((path, ""));
        if attribute.is_empty() {
            return Err(Problem::new(
                line,
                format!("GetAtt needs a resource and its attribute, found \"{path}\""),
            ));
        }
        let Some(kind) = self.resource_type(name) else {
            return match self.is_generated(name) {
                true => Ok(name.to_owned()),
                false => Err(Problem::new(line, format!("nothing in the template is called {name}"))),
            };
        };
        if let Some(why) = vocabulary::objection_to_attribute(kind, attribute) {
            return Err(Problem::new(line, format!("{path}: {why}")));
        }
        Ok(match (kind, attribute) {
            ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => aws::function_arn(name),
            (_, attribute) if attribute.ends_with("Arn") => aws::arn("local", name),
            (_, attribute) if attribute.ends_with("Port") => "6379".to_owned(),
            (_, "ApiEndpoint") => format!("https://{}", aws::api_domain(&aws::api_id(name))),
            (_, "ApiId") => aws::api_id(name),
            _ => format!("{name}.{attribute}.invalid"),
        })
    }

    pub(super) fn substitute(&self, line: usize, argument: &Node) -> Result<String, Problem> {
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
                    Ok(Some(Node { value: Value::Text(text) | Value::Literal(text), .. })) => text,
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
