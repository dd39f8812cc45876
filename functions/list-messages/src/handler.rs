//! A page of messages, ascending, with a link to the next page of older (or newer) ones.

use lambda_http::Request;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::{MessageId, UserKey};
use shared::store::Paging;

const MOST: usize = 1000;

const INVALID_CURSOR: &str = "before and after must be message ids";
const BOTH_CURSORS: &str = "before and after exclude each other";

/// The page that the query asks for.
#[derive(Debug, Eq, PartialEq)]
struct Query {
    limit: Option<usize>,
    paging: Paging,
    user: Option<UserKey>,
    with: Option<UserKey>,
}

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let query = Query::of(&request)?;

    let permit = access::may_list(&principal, query.user, query.with)?;
    let page = app.store.list(&permit, query.paging, query.limit.unwrap_or(MOST)).await?;
    let answer = Answer::json(format!("[{}]", page.messages.join(",")));
    let Some(id) = page.more else { return Ok(answer) };
    let (cursor, relation) = match query.paging {
        Paging::Before(_) => ("before", "prev"),
        Paging::After(_) => ("after", "next"),
    };
    let (name, link) = http::link(&request, "/messages", cursor, id, relation);
    Ok(answer.header(name, link))
}

impl Query {
    fn of(request: &Request) -> Result<Self, Error> {
        let id = |text| MessageId::parse(text).ok_or(Error::invalid(INVALID_CURSOR));
        let paging = match (http::parameter(request, "before"), http::parameter(request, "after")) {
            (Some(_), Some(_)) => return Err(Error::invalid(BOTH_CURSORS)),
            (None, Some(after)) => Paging::After(id(after)?),
            (before, None) => Paging::Before(before.map(id).transpose()?),
        };
        Ok(Self {
            limit: http::limit(request, MOST)?,
            paging,
            user: http::user_key(request, "user")?,
            with: http::user_key(request, "with")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::{Body, RequestExt as _};

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn parse(pairs: &[(&str, &str)]) -> Result<Query, String> {
        let mut parameters: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in pairs {
            parameters.entry((*name).to_owned()).or_default().push((*value).to_owned());
        }
        let request = Request::new(Body::Empty).with_query_string_parameters(parameters);
        Query::of(&request).map_err(|error| error.answer().2.to_owned())
    }

    #[test]
    fn a_query_is_checked() {
        assert!(parse(&[]).is_ok());
        assert!(parse(&[("limit", "1000"), ("before", ID), ("unknown", "x")]).is_ok());
        for limit in ["0", "1001", "-1", "+1", "x", "", "99999999999999999999", "1.0", "１"] {
            let sentence = "limit must be a number from 1 to 1000".to_owned();
            assert_eq!(parse(&[("limit", limit)]), Err(sentence), "{limit}");
        }
        assert_eq!(parse(&[("after", "x")]), Err(INVALID_CURSOR.to_owned()));
        assert_eq!(parse(&[("before", ID), ("after", ID)]), Err(BOTH_CURSORS.to_owned()));
        assert!(parse(&[("user", "")]).is_err());
    }

    #[test]
    fn of_a_repeated_parameter_the_last_counts() {
        let query = parse(&[("limit", "0"), ("limit", "5"), ("limit", "7")]).expect("valid");
        assert_eq!(query.limit, Some(7));
    }
}
