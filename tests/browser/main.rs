//! The demo page, and a front end that is older than this server, in real browsers with real video.
//!
//! Needs `chromium` and `chromedriver` on the PATH; without them the stories are skipped, but not in CI.

mod browser;
mod calls;
mod chat;
mod examples;
mod older_front_end;
mod older_page;
mod page;
mod reconnecting;
mod signed_in;
