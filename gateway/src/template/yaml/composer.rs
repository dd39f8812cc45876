//! Builds the tree from the events of a YAML parser.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::scalars;
use super::{MOST_NODES, Node, Value};
use crate::template::problem::Problem;

const DEEPEST: usize = 200;
/// What the parser says of a line that stands too far left within brackets. SAM's does not mind, so it is indented and
/// read again.
const TOO_FAR_LEFT: [&str; 2] = ["invalid indentation", "invalid indentation in flow construct"];
/// The same within quotes; the line is one of those after that where they open.
const TOO_FAR_LEFT_IN_QUOTES: &str = "invalid indentation in quoted scalar";
/// Wider than what any line has to be indented by.
const INDENTATION: usize = DEEPEST;
/// How many lines are indented before the template counts as no YAML.
const MOST_INDENTED: usize = 1_000;
const MERGE: &str = "<<";

/// Reads the one document in `text`; the warnings are of things that are surely mistakes.
pub(in crate::template) fn parse(text: &str) -> Result<(Node, Vec<Problem>), Problem> {
    let mut indented = BTreeSet::new();
    let mut text = Cow::Borrowed(text);
    loop {
        let mut composer = Composer::new(&text);
        let result = composer.document();
        let line = match composer.too_far_left {
            Some(TooFarLeft::Line(line)) => Some(line),
            Some(TooFarLeft::After(line)) => (line + 1..).find(|line| !indented.contains(line)),
            None => None,
        };
        let line = line.filter(|line| indented.len() < MOST_INDENTED && indented.insert(*line));
        match (result, line) {
            (Err(_), Some(line)) => text = Cow::Owned(indent(&text, line)),
            (result, _) => return result.map(|node| (node, composer.warnings)),
        }
    }
}

fn indent(text: &str, line: usize) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines.fold(String::with_capacity(text.len() + INDENTATION), |mut result, (at, content)| {
        if at + 1 == line {
            result.push_str(&" ".repeat(INDENTATION));
        }
        result + content
    })
}

/// Where a line stands too far left.
enum TooFarLeft {
    Line(usize),
    After(usize),
}

struct Composer<'input> {
    parser: Parser<'input, saphyr_parser::StrInput<'input>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    depth: usize,
    warnings: Vec<Problem>,
    too_far_left: Option<TooFarLeft>,
}

impl<'input> Composer<'input> {
    fn new(text: &'input str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            anchors: BTreeMap::new(),
            nodes: 0,
            depth: 0,
            warnings: Vec::new(),
            too_far_left: None,
        }
    }

    fn document(&mut self) -> Result<Node, Problem> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd => return Err(Problem::new(1, "the template is empty")),
                event => return self.compose(event, span),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'input>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let line = error.marker().line();
                self.too_far_left = match error.info() {
                    TOO_FAR_LEFT_IN_QUOTES => Some(TooFarLeft::After(line)),
                    info => TOO_FAR_LEFT.contains(&info).then_some(TooFarLeft::Line(line)),
                };
                Err(Problem::new(line, format!("this is not YAML: {}", error.info())))
            }
            None => Err(Problem::new(1, "the template ends in the middle")),
        }
    }

    fn compose(&mut self, event: Event<'input>, span: Span) -> Result<Node, Problem> {
        let line = span.start.line();
        self.count(line, 1)?;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                (if is_plain { scalars::resolve(&text) } else { Value::Text(text.into_owned()) }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.compose_list(line)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.compose_map(line)?, anchor, tag),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node =
                    node.ok_or_else(|| Problem::new(line, "an alias to an anchor that contains it"))?;
                self.count(line, node.size())?;
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
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            // Keys keep their spelling: what names something is no number.
            let (spelled, is_merge) = match &event {
                Event::Scalar(text, style, _, None) => {
                    (Some(text.to_string()), *style == ScalarStyle::Plain && text == MERGE)
                }
                _ => (None, false),
            };
            let key = self.compose(event, span)?;
            let line = key.line;
            let Some(name) = spelled.or_else(|| key.as_text().map(str::to_owned)) else {
                return Err(Problem::new(line, "a key must be a text"));
            };
            let (event, span) = self.next()?;
            // Problems of an empty or multi-line value are reported at its key.
            let mut node = self.compose(event, span)?;
            if node.as_text().is_none() {
                node.line = line;
            }
            if is_merge {
                merged.extend(merge(node)?);
                continue;
            }
            match entries.iter_mut().find(|(earlier, _)| *earlier == name) {
                Some((_, earlier)) => {
                    let first = earlier.line;
                    *earlier = node;
                    let text = format!("{name} stands here twice: line {first} is overruled");
                    self.warnings.push(Problem::new(line, text));
                }
                None => entries.push((name, node)),
            }
        }
        self.depth -= 1;
        for (name, node) in merged {
            if !entries.iter().any(|(own, _)| *own == name) {
                entries.push((name, node));
            }
        }
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

/// The entries that a merge key brings in, of one map or of several, of which an earlier one wins.
fn merge(node: Node) -> Result<Vec<(String, Node)>, Problem> {
    let line = node.line;
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::Intrinsic(name, argument) if name == "Ref" => Ok(vec![(name, *argument)]),
        Value::Intrinsic(name, argument) => Ok(vec![(format!("Fn::{name}"), *argument)]),
        Value::List(items) => {
            Ok(items.into_iter().map(merge).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        _ => Err(Problem::new(line, format!("{MERGE} merges maps, found {}", node.kind()))),
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
