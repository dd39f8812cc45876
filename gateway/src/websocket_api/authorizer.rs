//! REQUEST authorizers: who may open a connection.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::events::{self, Facts, Parameters};
use crate::aws;
use crate::aws::answers;
use crate::lambda::{InvokeError, Lambda};
use crate::project::RequestAuthorizer;

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An identity source is missing, or the authorizer said `Unauthorized`.
    Unauthorized,
    Denied {
        explicitly: bool,
    },
    /// The authorizer failed or answered nonsense.
    Failed,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied { .. } => StatusCode::FORBIDDEN,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Unauthorized => answers::UNAUTHORIZED,
            Self::Denied { explicitly: true } => answers::DENIED_EXPLICITLY,
            Self::Denied { explicitly: false } => answers::DENIED,
            Self::Failed => answers::WEBSOCKET_FAILURE,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    principal_id: String,
    policy_document: Policy,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: Effect,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    /// Read, to be sure that nobody is let in by what is not understood.
    condition: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Asks the authorizer; its context and principal go into every later event.
pub(crate) async fn authorize(
    authorizer: &RequestAuthorizer,
    lambda: &Lambda,
    facts: &Facts,
    request_id: &str,
    parameters: &Parameters,
) -> Result<Map<String, Value>, Refusal> {
    if !authorizer.identity_sources.iter().all(|source| is_present(source, facts, parameters)) {
        return Err(Refusal::Unauthorized);
    }
    let arn = aws::route_arn(&facts.api_id, &facts.stage, aws::CONNECT);
    let event = events::write_authorizer(facts, &arn, request_id, parameters);
    let started = std::time::Instant::now();
    let answer = match lambda.invoke(&authorizer.function, event).await {
        Ok(answer) => answer,
        // The one message that AWS understands.
        Err(InvokeError::Function { message, .. }) if message == answers::UNAUTHORIZED => {
            return Err(Refusal::Unauthorized);
        }
        Err(_) => return Err(Refusal::Failed),
    };
    let nonsense = |why: String| {
        tracing::error!("the authorizer {} gave no usable answer: {why}", authorizer.name);
        Refusal::Failed
    };
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| nonsense(error.to_string()))?;
    decide(answer.policy_document.statement.as_slice(), &arn)?;
    let mut context = Map::new();
    for (name, value) in answer.context.unwrap_or_default() {
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(nonsense(format!("its context's {name} is neither text, number nor boolean"))),
        };
        context.insert(name, value.into());
    }
    context.insert("principalId".into(), answer.principal_id.into());
    context.insert("integrationLatency".into(), (started.elapsed().as_millis() as u64).into());
    Ok(context)
}

fn is_present(source: &str, facts: &Facts, parameters: &Parameters) -> bool {
    let value = if let Some(name) = source.strip_prefix("route.request.header.") {
        parameters.header(name)
    } else if let Some(name) = source.strip_prefix("route.request.querystring.") {
        parameters.query(name)
    } else if let Some(name) = source.strip_prefix("stageVariables.") {
        facts.stage_variables.get(name).map(String::as_str)
    } else {
        // `context.…` is always there.
        return source.starts_with("context.");
    };
    value.is_some_and(|value| !value.is_empty())
}

fn decide(statements: &[Statement], arn: &str) -> Result<(), Refusal> {
    let applies = |statement: &&Statement| {
        let action = statement
            .action
            .as_slice()
            .iter()
            .any(|action| matches(&action.to_ascii_lowercase(), "execute-api:invoke"));
        action && statement.resource.as_slice().iter().any(|resource| matches(resource, arn))
    };
    let counts = |statement: &&Statement| {
        let is_understood = statement.condition.is_none() || statement.effect == Effect::Deny;
        if !is_understood {
            tracing::error!("conditions of policies are not emulated: what allows under one allows nothing");
        }
        is_understood
    };
    let effects: Vec<Effect> =
        statements.iter().filter(applies).filter(counts).map(|statement| statement.effect).collect();
    if effects.contains(&Effect::Deny) {
        Err(Refusal::Denied { explicitly: true })
    } else if effects.contains(&Effect::Allow) {
        Ok(())
    } else {
        Err(Refusal::Denied { explicitly: false })
    }
}

/// Matches with IAM's wildcards, `*` and `?`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if a guess for the last `*` was too short.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/dev/$connect";

    fn decide_on(statement: Value) -> Result<(), Refusal> {
        let policy: Policy = serde_json::from_value(json!({ "Statement": statement })).unwrap();
        decide(policy.statement.as_slice(), ARN)
    }

    #[test]
    fn an_allowed_resource_lets_in() {
        let allow =
            |resource| json!([{ "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource }]);
        assert_eq!(decide_on(allow(json!(ARN))), Ok(()));
        assert_eq!(decide_on(allow(json!("*"))), Ok(()));
        assert_eq!(decide_on(allow(json!(["arn:other", "arn:aws:execute-api:*:*:abcdef1234/*/*"]))), Ok(()));
        let other = allow(json!("arn:aws:execute-api:*:*:other/*"));
        assert_eq!(decide_on(other), Err(Refusal::Denied { explicitly: false }));
    }

    #[test]
    fn a_deny_outweighs_every_allow() {
        let both = json!([
            { "Effect": "Allow", "Action": ["execute-api:*"], "Resource": "*" },
            { "Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*/$connect" },
        ]);
        assert_eq!(decide_on(both), Err(Refusal::Denied { explicitly: true }));
    }

    #[test]
    fn what_allows_under_a_condition_lets_nobody_in() {
        let under = |effect: &str| {
            json!([{
                "Effect": effect, "Action": "*", "Resource": "*",
                "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } },
            }])
        };
        assert_eq!(decide_on(under("Allow")), Err(Refusal::Denied { explicitly: false }));
        assert_eq!(decide_on(under("Deny")), Err(Refusal::Denied { explicitly: true }));
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        assert!(matches("a*c?e", "abbcde"));
        assert!(matches("*", ""));
        assert!(!matches("a?", "a"));
        assert!(!matches("a*b", "ac"));
    }
}
