//! The template as a tree in which every value knows its line, tags turned into intrinsic functions.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::problem::Problem;

/// More than any real template has; without a limit a few nested aliases could fill the memory.
const MOST_NODES: usize = 500_000;
const DEEPEST: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// Numbers and booleans too, as written, since CloudFormation turns them into text.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    /// `!Name argument` or `{ Fn::Name: argument }`.
    Intrinsic(String, Box<Node>),
}

impl Node {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Text(text.into()) }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        self.as_text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The entries of a map; nothing for anything else.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The line of an entry, or of the map if it has no such entry.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.get(key).map_or(self.line, |node| node.line)
    }

    /// The kind of value, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Intrinsic(..) => "an intrinsic function",
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Intrinsic(..) => serde_json::Value::Null,
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// Lays `over` on top of this one as SAM does with globals: maps merge, lists add up, the rest is replaced.
    pub(super) fn overlay(self, over: Node) -> Node {
        let line = over.line;
        let value = match (self.value, over.value) {
            (Value::Map(mut below), Value::Map(above)) => {
                for (key, node) in above {
                    match below.iter().position(|(name, _)| *name == key) {
                        Some(at) => {
                            let (_, under) = below.swap_remove(at);
                            below.push((key, under.overlay(node)));
                        }
                        None => below.push((key, node)),
                    }
                }
                Value::Map(below)
            }
            (Value::List(mut below), Value::List(above)) => {
                below.extend(above);
                Value::List(below)
            }
            (_, above) => above,
        };
        Node { line, value }
    }
}

/// Reads the one document in `text`.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut composer =
        Composer { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, depth: 0 };
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd => return Err(Problem::new(1, "the template is empty")),
            event => return composer.compose(event, span),
        }
    }
}

struct Composer<'input> {
    parser: Parser<'input, saphyr_parser::StrInput<'input>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    depth: usize,
}

impl<'input> Composer<'input> {
    fn next(&mut self) -> Result<(Event<'input>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(Problem::new(error.marker().line(), format!("this is not YAML: {}", error.info())))
            }
            None => Err(Problem::new(1, "the template ends in the middle")),
        }
    }

    fn compose(&mut self, event: Event<'input>, span: Span) -> Result<Node, Problem> {
        let line = span.start.line();
        self.count(line, 1)?;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bare = style == ScalarStyle::Plain;
                let null =
                    bare && tag.is_none() && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                (if null { Value::Null } else { Value::Text(text.into_owned()) }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.compose_list(line)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.compose_map(line)?, anchor, tag),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node =
                    node.ok_or_else(|| Problem::new(line, "an alias to an anchor that contains it"))?;
                self.count(line, size(&node))?;
                return Ok(node);
            }
            _ => return Err(Problem::new(line, "a value is missing here")),
        };
        let node = Node { line, value: apply_tag(value, tag.as_deref(), line) };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn compose_list(&mut self, line: usize) -> Result<Value, Problem> {
        self.descend(line)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, span) => items.push(self.compose(event, span)?),
            }
        }
        self.depth -= 1;
        Ok(Value::List(items))
    }

    fn compose_map(&mut self, line: usize) -> Result<Value, Problem> {
        self.descend(line)?;
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.compose(event, span)?;
            let name = match key.value {
                Value::Text(text) => text,
                Value::Null => "null".to_owned(),
                _ => return Err(Problem::new(key.line, "a key must be a text")),
            };
            if entries.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::new(key.line, format!("{name} stands here twice")));
            }
            let (event, span) = self.next()?;
            // Problems of an empty or multi-line value are reported at its key.
            let mut node = self.compose(event, span)?;
            if !matches!(node.value, Value::Text(_)) {
                node.line = key.line;
            }
            entries.push((name, node));
        }
        self.depth -= 1;
        if let [(name, _)] = entries.as_slice()
            && let Some(function) = intrinsic_name(name)
        {
            let function = function.to_owned();
            return Ok(match entries.pop() {
                Some((_, argument)) => Value::Intrinsic(function, Box::new(argument)),
                None => Value::Null,
            });
        }
        Ok(Value::Map(entries))
    }

    fn descend(&mut self, line: usize) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Problem::new(line, "this is nested too deeply")) } else { Ok(()) }
    }

    fn count(&mut self, line: usize, more: usize) -> Result<(), Problem> {
        self.nodes += more;
        if self.nodes > MOST_NODES { Err(Problem::new(line, "the template is too large")) } else { Ok(()) }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Text(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
        Value::Intrinsic(_, argument) => size(argument),
    }
}

fn intrinsic_name(key: &str) -> Option<&str> {
    if key == "Ref" { Some(key) } else { key.strip_prefix("Fn::") }
}

/// Turns `!Sub x` into `{ Fn::Sub: x }`; YAML's own tags (`!!str`) change nothing here.
fn apply_tag(value: Value, tag: Option<&Tag>, line: usize) -> Value {
    match tag {
        Some(tag) if tag.handle == "!" && !tag.suffix.is_empty() => {
            Value::Intrinsic(tag.suffix.clone(), Box::new(Node { line, value }))
        }
        _ => value,
    }
}
