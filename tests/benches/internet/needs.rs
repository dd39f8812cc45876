//! The needs of people online at once, beside the platform's quotas and the template's defaults.

use crate::document::{about, head, row};
use crate::platform::{
    CONCURRENCY, FREE_USERS, GIGABYTES, INVOCATION, REQUESTS, SIGN_INS, TOKEN_SECONDS, UNITS, UPGRADES,
    USER_DOLLARS,
};
use crate::usage::{ACTIVE_PER_ONLINE, DEVICES, Usage};

const ONLINE: [f64; 3] = [1e3, 1e5, 1e7];

/// Deployments, each an account and region of its own, over which the largest number is spread.
pub(crate) const CELLS: f64 = 40.0;

pub(crate) fn table(usage: &Usage) -> String {
    let cell = ONLINE[2] / CELLS;
    let mut text = head(&[
        "people online",
        "1,000",
        "100,000",
        "10,000,000",
        "in each of 40 cells",
        "by default, quota",
    ]);
    let mut line = |name: &str, each: f64, limit: &str| {
        let numbers = ONLINE.iter().chain([&cell]).map(|online| about(each * online));
        text += &row([name.to_owned()].into_iter().chain(numbers).chain([limit.to_owned()]));
    };
    line("active people", ACTIVE_PER_ONLINE, "–");
    line("HTTP requests per second", usage.over_http, "`RateLimit` 10");
    line("frames in per second", usage.frames, "`RateLimit` 10");
    line("all requests, frames and pushes per second", usage.requests, &format!("{} a", about(REQUESTS)));
    line("new WebSockets per second", usage.opened, &format!("`ConnectLimit` 2, {} b", about(UPGRADES)));
    line("functions at work", usage.invocations * INVOCATION, &format!("{} c", about(CONCURRENCY)));
    line("units of the cache per second", usage.units, &format!("`ECPUPerSecond` 5,000, {} d", about(UNITS)));
    line(
        "GB of the cache, 30 days kept",
        usage.gigabytes * ACTIVE_PER_ONLINE,
        &format!("`CacheGigabytes` 2, {} d", about(GIGABYTES)),
    );
    line("tokens renewed per second", DEVICES / TOKEN_SECONDS, &format!("{} e", about(SIGN_INS)));
    let costs = ONLINE.map(|online| about(dollars(usage, online, if online > 1e6 { CELLS } else { 1.0 })));
    let each = about(dollars(usage, cell, 1.0));
    text += &row(["**dollars a month**", &costs[0], &costs[1], &costs[2], &each, "–"]);
    text
}

/// List prices, without what is less for volume.
fn dollars(usage: &Usage, online: f64, deployments: f64) -> f64 {
    let active = online * ACTIVE_PER_ONLINE;
    let pool = (active - FREE_USERS * deployments).max(0.0) * USER_DOLLARS;
    active * usage.dollars + deployments * usage.idle_dollars + pool
}
