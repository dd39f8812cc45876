//! The template as a tree in which every value knows its line, tags turned into intrinsic functions.

mod composer;
mod scalars;

pub(super) use composer::parse;

/// More than any real template has; without a limit a few nested aliases or loops could fill the memory.
pub(super) const MOST_NODES: usize = 500_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    /// A number or a boolean, as JSON writes it; CloudFormation turns it into text where it wants one.
    Literal(String),
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
            Value::Text(text) | Value::Literal(text) => Some(text),
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
            Value::Literal(_) => "a number or boolean",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Intrinsic(..) => "an intrinsic function",
        }
    }

    /// As JSON, the keys in their order.
    pub(super) fn to_json_text(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match &self.value {
            Value::Null | Value::Intrinsic(..) => "null".to_owned(),
            Value::Text(text) => quoted(text),
            Value::Literal(text) => text.clone(),
            Value::List(items) => {
                format!("[{}]", items.iter().map(Node::to_json_text).collect::<Vec<_>>().join(","))
            }
            Value::Map(entries) => {
                let entry = |(key, node): &(String, Node)| format!("{}:{}", quoted(key), node.to_json_text());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
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

    /// How many nodes it is made of.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Text(_) | Value::Literal(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            Value::Intrinsic(_, argument) => argument.size(),
        }
    }
}
