//! Parameters: the values that are given or that the template has for them, and those that something needs and nobody
//! has given.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex_lite::Regex;

use super::problem::Problem;
use super::yaml::{Node, Value};

/// The value of a parameter of this type is kept in the cloud, under the name that its default is.
const STORED: &str = "AWS::SSM::Parameter::Value<";

#[derive(Debug, Default)]
pub(super) struct Parameters {
    declared: BTreeMap<String, Parameter>,
    /// Line of the declaration, by name: asked for, but neither given nor with a default.
    missing: RefCell<BTreeMap<String, usize>>,
}

#[derive(Debug)]
enum Parameter {
    Known(Value),
    /// Nobody has given it.
    Missing {
        line: usize,
    },
    /// The parameter of Systems Manager that holds it.
    Stored(String),
}

impl Parameters {
    /// Those of the template, with what is given for them; and warnings.
    pub(super) fn read(
        template: &Node,
        given: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<Problem>), Problem> {
        let declared = template.get("Parameters");
        for name in given.keys() {
            if declared.and_then(|node| node.get(name)).is_none() {
                let line = declared.map_or(1, |node| node.line);
                return Err(Problem::new(line, format!("the template has no parameter {name}")));
            }
        }
        let mut warnings = Vec::new();
        let declared = declared.map(Node::entries).unwrap_or_default();
        let declared = declared
            .iter()
            .map(|(name, node)| Ok((name.clone(), read(name, node, given.get(name), &mut warnings)?)))
            .collect::<Result<_, Problem>>()?;
        Ok((Self { declared, missing: RefCell::default() }, warnings))
    }

    /// The value of a parameter, if there is one of that name. A missing one is remembered, and is empty until all
    /// are told.
    pub(super) fn value(&self, line: usize, name: &str) -> Result<Option<Value>, Problem> {
        match self.declared.get(name) {
            None => Ok(None),
            Some(Parameter::Known(value)) => Ok(Some(value.clone())),
            Some(Parameter::Missing { line }) => {
                self.missing.borrow_mut().insert(name.to_owned(), *line);
                Ok(Some(Value::Text(String::new())))
            }
            Some(Parameter::Stored(key)) => Err(Problem::new(
                line,
                format!(
                    "parameter {name} is {key} of Systems Manager and not known here: --parameter {name}=…"
                ),
            )),
        }
    }

    /// What `work` makes, if no missing parameter is needed for it; otherwise that does not count as a need.
    pub(super) fn without_asking<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let before = self.missing.take();
        let made = work();
        let needed = self.missing.replace(before);
        needed.is_empty().then_some(made)
    }

    /// One sentence on all that are missing.
    pub(super) fn missing(&self) -> Option<Problem> {
        let missing = self.missing.borrow();
        let line = *missing.values().min()?;
        let names: Vec<&str> = missing.keys().map(String::as_str).collect();
        let options: Vec<String> = names.iter().map(|name| format!("--parameter {name}=…")).collect();
        let (are, them) = match names.len() {
            1 => (format!("parameter {} has", names[0]), "it a value"),
            _ => (format!("parameters {} have", names.join(", ")), "them values"),
        };
        Some(Problem::new(line, format!("{are} no default: give {them} ({})", options.join(" "))))
    }
}

fn read(
    name: &str,
    node: &Node,
    given: Option<&String>,
    warnings: &mut Vec<Problem>,
) -> Result<Parameter, Problem> {
    let kind = node.get("Type").and_then(Node::as_text).unwrap_or("String");
    let stored = kind.strip_prefix(STORED).and_then(|kind| kind.strip_suffix('>'));
    let default = node.get("Default").map(|node| node.as_text().unwrap_or_default());
    let value = match (given, default) {
        (Some(given), _) => given.clone(),
        (None, Some(key)) if stored.is_some() => return Ok(Parameter::Stored(key.to_owned())),
        (None, Some(default)) => default.to_owned(),
        (None, None) => return Ok(Parameter::Missing { line: node.line }),
    };
    // Their bounds are those of the name under which the value is kept.
    if stored.is_none() {
        check(name, node, kind, &value, warnings)?;
    }
    if !is_list(stored.unwrap_or(kind)) {
        return Ok(Parameter::Known(Value::Text(value)));
    }
    let items = value.split(',').map(|item| Node::text(node.line, item.trim())).collect();
    Ok(Parameter::Known(Value::List(items)))
}

fn is_list(kind: &str) -> bool {
    kind == "CommaDelimitedList" || kind.starts_with("List<")
}

fn check(
    name: &str,
    node: &Node,
    kind: &str,
    value: &str,
    warnings: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let text = |key: &str| node.get(key).and_then(Node::as_text);
    let must = |what: String| {
        let why = text("ConstraintDescription").map_or_else(String::new, |why| format!(" ({why})"));
        Err(Problem::new(node.line, format!("parameter {name} must {what}, not \"{value}\"{why}")))
    };
    let bound = |key: &str| text(key)?.parse::<f64>().ok();
    if kind == "Number" {
        let Ok(number) = value.parse::<f64>() else { return must("be a number".to_owned()) };
        match (bound("MinValue"), bound("MaxValue")) {
            (Some(least), _) if number < least => return must(format!("be at least {least}")),
            (_, Some(most)) if number > most => return must(format!("be at most {most}")),
            _ => {}
        }
    }
    let length = value.chars().count() as f64;
    match (bound("MinLength"), bound("MaxLength")) {
        (Some(least), _) if length < least => return must(format!("have at least {least} characters")),
        (_, Some(most)) if length > most => return must(format!("have at most {most} characters")),
        _ => {}
    }
    // What is allowed holds for each value of a list, not for the list.
    let each: Vec<_> = if is_list(kind) { value.split(',').map(str::trim).collect() } else { vec![value] };
    if let Some(Value::List(allowed)) = node.get("AllowedValues").map(|node| &node.value) {
        let allowed: Vec<_> = allowed.iter().filter_map(Node::as_text).collect();
        if !each.iter().all(|value| allowed.contains(value)) {
            return must(format!("be one of {}", allowed.join(", ")));
        }
    }
    if let Some(pattern) = text("AllowedPattern") {
        // CloudFormation's are Java's, of which a few have no counterpart here.
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) if !each.iter().all(|value| regex.is_match(value)) => {
                return must(format!("match {pattern}"));
            }
            Ok(_) => {}
            Err(_) => {
                let text = format!("parameter {name}: its AllowedPattern {pattern} is not checked");
                warnings.push(Problem::new(node.line_of("AllowedPattern"), text));
            }
        }
    }
    Ok(())
}
