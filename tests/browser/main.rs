//! The demo page, and a front end that is older than this server, in real browsers with real video.
//!
//! Needs `chromium` and `chromedriver` on the PATH; without them the stories are skipped, but not in CI.

mod accessible;
mod browser;
mod calls;
mod calls_of_devices;
mod chat;
mod devices;
mod examples;
mod habits;
mod keyboard;
mod lost_calls;
mod media;
mod older_front_end;
mod older_page;
mod page;
mod phone;
mod reconnecting;
mod relayed;
mod ringing;
mod signed_in;
mod worker;
