//! Conditions: whether one holds, and what they are made of.

use super::intrinsics::Scope;
use super::problem::Problem;
use super::yaml::{Node, Value};

impl Scope<'_> {
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

    pub(super) fn condition(&self, node: &Node) -> Result<bool, Problem> {
        match &node.value {
            Value::Intrinsic(name, argument) => match name.as_str() {
                "Equals" => {
                    let [left, right] = self.arguments(argument)?;
                    Ok(match (self.resolve(left)?, self.resolve(right)?) {
                        (Some(left), Some(right)) => is_same(&left, &right),
                        (left, right) => left.is_none() && right.is_none(),
                    })
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
            Value::Text(name) | Value::Literal(name) => self.holds(node.line, name),
            Value::Map(entries) => match entries.as_slice() {
                [(key, name)] if key == "Condition" => {
                    self.holds(node.line, name.as_text().unwrap_or_default())
                }
                _ => Err(Problem::new(node.line, "this is no condition")),
            },
            _ => Err(Problem::new(node.line, "this is no condition")),
        }
    }
}

/// CloudFormation compares texts: `true` equals `'true'`.
fn is_same(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Value::Null, Value::Null) => true,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Map(entries), Value::Map(others)) => {
            let has = |(key, node): &(String, Node)| right.get(key).is_some_and(|other| is_same(node, other));
            entries.len() == others.len() && entries.iter().all(has)
        }
        _ => left.as_text().is_some() && left.as_text() == right.as_text(),
    }
}
