//! Route selection: which route key a frame asks for.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

/// A route selection expression, e.g. `$request.body.action` or `${request.body.kind}/${request.body.name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSelection {
    expression: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A path into the frame's body.
    Body(Vec<Step>),
    /// Something that a frame does not have.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

impl RouteSelection {
    pub fn parse(expression: &str) -> Self {
        Self { expression: expression.to_owned(), parts: parse_parts(expression) }
    }

    /// As in the template.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether a frame can have all that the expression names.
    pub(crate) fn is_understood(&self) -> bool {
        !self.parts.contains(&Part::Unknown)
    }

    /// The route key a frame asks for; `None` if it is not JSON or lacks what the expression names. No frame can ask
    /// for `$connect` and its like.
    pub(crate) fn select(&self, frame: &str) -> Option<String> {
        // Only what the expression names is parsed: a huge number or a lone surrogate elsewhere selects no other
        // route.
        // A leading byte order mark is no part of the JSON.
        let frame = frame.strip_prefix('\u{FEFF}').unwrap_or(frame);
        let body: &RawValue = serde_json::from_str(frame).ok()?;
        let values: Option<Vec<Cow<'_, str>>> = self.parts.iter().map(|part| evaluate(part, body)).collect();
        values.map(|values| values.concat()).filter(|key| !key.starts_with('$'))
    }
}

fn parse_parts(expression: &str) -> Vec<Part> {
    if let Some(variable) = expression.strip_prefix('$')
        && !variable.starts_with('{')
    {
        return vec![parse_variable(variable)];
    }
    let mut parts = Vec::new();
    let mut rest = expression;
    while let Some((text, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else { break };
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(parse_variable(variable));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}

fn parse_variable(variable: &str) -> Part {
    let Some(path) = variable.strip_prefix("request.body") else { return Part::Unknown };
    let mut steps = Vec::new();
    for name in path.split('.').skip(1) {
        let (field, items) = name.split_once('[').unwrap_or((name, ""));
        if !field.is_empty() {
            steps.push(Step::Field(field.to_owned()));
        }
        for item in items.split('[').filter(|item| !item.is_empty()) {
            match item.trim_end_matches(']').parse() {
                Ok(index) => steps.push(Step::Item(index)),
                Err(_) => return Part::Unknown,
            }
        }
    }
    Part::Body(steps)
}

fn evaluate<'a>(part: &'a Part, body: &'a RawValue) -> Option<Cow<'a, str>> {
    let steps = match part {
        Part::Text(text) => return Some(text.into()),
        Part::Body(steps) => steps,
        Part::Unknown => return None,
    };
    let value = steps.iter().try_fold(body, step_into)?.get();
    match value.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(value).ok().map(Cow::from),
        _ if value == "null" => None,
        _ => Some(value.into()),
    }
}

fn step_into<'a>(value: &'a RawValue, step: &Step) -> Option<&'a RawValue> {
    match step {
        Step::Field(name) => {
            let fields: HashMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
            fields.get(name).copied()
        }
        Step::Item(index) => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            items.get(*index).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(expression: &str, frame: &str) -> Option<String> {
        RouteSelection::parse(expression).select(frame)
    }

    #[test]
    fn a_field_of_the_body_is_the_route_key() {
        assert_eq!(select("$request.body.action", r#"{"action":"send"}"#).as_deref(), Some("send"));
        assert_eq!(select("${request.body.action}", r#"{"action":"send"}"#).as_deref(), Some("send"));
    }

    #[test]
    fn paths_may_be_deep() {
        let frame = r#"{"a":{"b":[{"c":"deep"}]}}"#;
        assert_eq!(select("$request.body.a.b[0].c", frame).as_deref(), Some("deep"));
        assert_eq!(select("$request.body.a.b[1].c", frame), None);
    }

    #[test]
    fn expressions_may_combine_fields() {
        let frame = r#"{"kind":"chat","name":"send"}"#;
        assert_eq!(select("${request.body.kind}/${request.body.name}", frame).as_deref(), Some("chat/send"));
    }

    #[test]
    fn values_that_are_no_strings_are_stringified() {
        assert_eq!(select("$request.body.action", r#"{"action":1}"#).as_deref(), Some("1"));
        assert_eq!(select("$request.body.action", r#"{"action":1.5}"#).as_deref(), Some("1.5"));
        assert_eq!(select("$request.body.action", r#"{"action":true}"#).as_deref(), Some("true"));
    }

    #[test]
    fn what_has_no_route_key_selects_nothing() {
        for frame in ["", "hello", "{", "[]", "1", "null", r#""action""#, "{}", r#"{"action":null}"#] {
            assert_eq!(select("$request.body.action", frame), None, "{frame}");
        }
    }

    #[test]
    fn what_else_a_frame_holds_does_not_matter() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for other in ["1e400", r#""\ud800""#, &deep] {
            let frame = format!(r#"{{"x":{other},"action":"send"}}"#);
            assert_eq!(select("$request.body.action", &frame).as_deref(), Some("send"), "{other}");
        }
    }

    #[test]
    fn reserved_routes_cannot_be_selected() {
        for key in ["$connect", "$disconnect", "$default"] {
            assert_eq!(select("$request.body.action", &format!(r#"{{"action":"{key}"}}"#)), None);
        }
    }
}
