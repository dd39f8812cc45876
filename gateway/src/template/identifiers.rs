//! Logical ids: those in references, and those of resources that SAM generates.

/// The HTTP API that SAM makes for events which name none.
pub(super) const IMPLICIT_API: &str = "ServerlessHttpApi";

/// The logical id in what names a function: its name, its ARN, or an integration URI around that.
pub(super) fn function_in(text: &str) -> &str {
    let text = text.rsplit_once(":function:").map_or(text, |(_, name)| name);
    let text = text.rsplit_once("/functions/").map_or(text, |(_, name)| name);
    text.split(['/', ':', '.']).next().unwrap_or(text)
}

/// The logical id of the route that SAM generates for a `Routes` entry of a WebSocket API.
pub(super) fn websocket_route_id(api: &str, route_key: &str) -> String {
    let key = route_key.trim_start_matches('$').to_lowercase();
    let mut letters = key.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{api}{first}{}Route", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_in_whatever_names_it() {
        let arn = crate::aws::function_arn("Signaling");
        assert_eq!(function_in(&arn), "Signaling");
        assert_eq!(function_in(&format!("{arn}:live")), "Signaling");
        assert_eq!(function_in("Signaling"), "Signaling");
        let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!(function_in(&uri), "Signaling");
    }

    #[test]
    fn generated_route_ids_are_sams() {
        assert_eq!(websocket_route_id("WsApi", "$default"), "WsApiDefaultRoute");
        assert_eq!(websocket_route_id("WsApi", "newMessage"), "WsApiNewmessageRoute");
    }
}
