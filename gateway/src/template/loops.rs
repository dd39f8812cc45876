//! `Fn::ForEach`: writes out the loops of a template, before anything else reads it.

use std::collections::BTreeSet;

use super::intrinsics::Scope;
use super::parameters::Parameters;
use super::problem::Problem;
use super::yaml::{MOST_NODES, Node, Value};

/// How a loop in a map begins; the rest is its name.
const IN_MAP: &str = "Fn::ForEach::";
/// The same where it is the only entry, and so read as an intrinsic function.
const ALONE: &str = "ForEach::";

/// The template without loops. They repeat a part of a map, for a list that is known without any resource.
pub(super) fn expand(root: Node, parameters: &Parameters) -> Result<Node, Problem> {
    if !has_loop(&root) {
        return Ok(root);
    }
    let scope = Scope::new(&root, parameters);
    let mut loops = Loops { scope: &scope, nodes: 0 };
    loops.write_out(root.clone())
}

fn has_loop(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Text(_) | Value::Literal(_) => false,
        Value::List(items) => items.iter().any(has_loop),
        Value::Map(entries) => entries.iter().any(|(key, node)| key.starts_with(IN_MAP) || has_loop(node)),
        Value::Intrinsic(name, argument) => name.starts_with(ALONE) || has_loop(argument),
    }
}

struct Loops<'s> {
    scope: &'s Scope<'s>,
    /// How many were written out.
    nodes: usize,
}

impl Loops<'_> {
    fn write_out(&mut self, node: Node) -> Result<Node, Problem> {
        let line = node.line;
        let value = match node.value {
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.write_out(item)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let own = entries.iter().map(|(key, _)| key).filter(|key| !key.starts_with(IN_MAP));
                let mut names: BTreeSet<String> = own.cloned().collect();
                let mut all = Vec::with_capacity(entries.len());
                for (key, node) in entries {
                    if !key.starts_with(IN_MAP) {
                        all.push((key, self.write_out(node)?));
                        continue;
                    }
                    let line = node.line;
                    for (made, node) in self.run(&key, node)? {
                        if !names.insert(made.clone()) {
                            return Err(Problem::new(line, format!("{key} makes {made} once more")));
                        }
                        all.push((made, node));
                    }
                }
                Value::Map(all)
            }
            Value::Intrinsic(name, argument) if name.starts_with(ALONE) => {
                Value::Map(self.run(&format!("Fn::{name}"), *argument)?)
            }
            Value::Intrinsic(name, argument) => Value::Intrinsic(name, Box::new(self.write_out(*argument)?)),
            other => other,
        };
        Ok(Node { line, value })
    }

    /// All that one loop makes.
    fn run(&mut self, name: &str, argument: Node) -> Result<Vec<(String, Node)>, Problem> {
        let line = argument.line;
        self.scope.need_extensions(line, name)?;
        let shape = || Problem::new(line, format!("{name} needs a name, a list and a map"));
        let Value::List(parts) = argument.value else { return Err(shape()) };
        let [variable, list, body] = <[Node; 3]>::try_from(parts).map_err(|_| shape())?;
        let variable = variable.as_text().filter(|variable| !variable.is_empty()).ok_or_else(shape)?;
        let (mut all, mut names) = (Vec::new(), BTreeSet::new());
        for item in self.scope.list(&list)? {
            let item = item.as_text().ok_or_else(|| {
                Problem::new(list.line, format!("{name}: expected texts in the list, found {}", item.kind()))
            })?;
            self.nodes += body.size();
            if self.nodes > MOST_NODES {
                return Err(Problem::new(line, "the template is too large"));
            }
            let made = self.write_out(fill_in(&body, variable, item))?;
            let Value::Map(entries) = made.value else { return Err(shape()) };
            for (key, node) in entries {
                if !names.insert(key.clone()) {
                    return Err(Problem::new(line, format!("{name} makes {key} more than once")));
                }
                all.push((key, node));
            }
        }
        Ok(all)
    }
}

/// `${Variable}` is the item, `&{Variable}` its letters and digits alone, and so is a `Ref` of it.
fn fill_in(node: &Node, variable: &str, item: &str) -> Node {
    let text = |text: &str| {
        let letters = || item.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        text.replace(&format!("${{{variable}}}"), item).replace(&format!("&{{{variable}}}"), &letters())
    };
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Literal(literal) => Value::Literal(literal.clone()),
        Value::Text(plain) => Value::Text(text(plain)),
        Value::List(items) => Value::List(items.iter().map(|node| fill_in(node, variable, item)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, node)| (text(key), fill_in(node, variable, item))).collect())
        }
        Value::Intrinsic(name, argument) if name == "Ref" && argument.as_text() == Some(variable) => {
            Value::Text(item.to_owned())
        }
        Value::Intrinsic(name, argument) => {
            Value::Intrinsic(text(name), Box::new(fill_in(argument, variable, item)))
        }
    };
    Node { line: node.line, value }
}
