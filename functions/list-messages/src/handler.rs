//! A page of messages, ascending, with a link to the next page of older (or newer) ones.

use lambda_http::Request;
use lambda_http::http::header::LINK;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::{MessageId, UserKey};
use shared::store::{Page, Paging};
use shared::uri::encode;

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

    let permit = access::may_list(&principal, query.user.clone(), query.with.clone())?;
    let page = app.store.list(&permit, query.paging, query.limit.unwrap_or(MOST)).await?;
    let link = query.link(&page);
    let answer = Answer::json(format!("[{}]", page.messages.join(",")));
    Ok(match link {
        Some(link) => answer.header(LINK, link),
        None => answer,
    })
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

    /// Where to go on ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)), keeping the query.
    fn link(&self, page: &Page) -> Option<String> {
        let id = page.more?;
        let (cursor, relation) = match self.paging {
            Paging::Before(_) => ("before", "prev"),
            Paging::After(_) => ("after", "next"),
        };
        let mut link = format!("</messages?{cursor}={id}");
        if let Some(limit) = self.limit {
            link.push_str(&format!("&limit={limit}"));
        }
        for (name, user) in [("user", &self.user), ("with", &self.with)] {
            if let Some(user) = user {
                link.push_str(&format!("&{name}={}", encode(user.as_str())));
            }
        }
        Some(format!("{link}>; rel=\"{relation}\""))
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

    #[test]
    fn a_link_keeps_the_query() {
        let page = Page { messages: Vec::new(), more: MessageId::parse(ID) };
        let query = parse(&[("limit", "5"), ("user", "a&b>"), ("with", "\u{1F600}")]).expect("valid");
        assert_eq!(
            query.link(&page),
            Some(format!("</messages?before={ID}&limit=5&user=a%26b%3E&with=%F0%9F%98%80>; rel=\"prev\""))
        );
        let forward = parse(&[("after", ID)]).expect("valid");
        assert_eq!(forward.link(&page), Some(format!("</messages?after={ID}>; rel=\"next\"")));
        assert_eq!(forward.link(&Page { more: None, ..page }), None);
    }
}
