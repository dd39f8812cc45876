//! Everybody losing the WebSocket at once: a new `Stage`, a region that was away.

use crate::document::{about, head, row};
use crate::needs::CELLS;
use crate::platform::{REQUEST_BURST, REQUESTS, UNITS, UPGRADES};
use crate::returning::{Limits, Load, Outcome, Pause, Storm, simulate};
use crate::usage::{DEVICES, Usage};

/// Processing units of the cache that the template allows, per second.
const TEMPLATE_UNITS: f64 = 5_000.0;

pub(crate) fn table(usage: &Usage) -> String {
    // An API's own limit is that of the account where it is not said.
    let limits = |requests: f64, upgrades: f64, units: f64| Limits {
        requests: (requests * REQUESTS, requests * REQUEST_BURST),
        api: (requests * REQUESTS, requests * REQUEST_BURST),
        upgrades: (upgrades, upgrades.max(500.0)),
        units,
    };
    let small = |upgrades: f64| Limits { api: (100.0, 500.0), ..limits(1.0, upgrades, TEMPLATE_UNITS) };
    let quotas = limits(1.0, UPGRADES, UNITS);
    let cell = 1e7 / CELLS;
    let cases = [
        ("1,000, `RateLimit` 100, `ConnectLimit` 2", 1e3, 0.0, small(2.0), Pause::BackOff),
        ("1,000, `RateLimit` 100, `ConnectLimit` 50", 1e3, 0.0, small(50.0), Pause::BackOff),
        ("100,000, default quotas", 1e5, 0.0, quotas, Pause::BackOff),
        (
            "100,000, requests and upgrades twice these",
            1e5,
            0.0,
            limits(2.0, 2.0 * UPGRADES, UNITS),
            Pause::BackOff,
        ),
        ("the same, `ECPUPerSecond` 60,000", 1e5, 0.0, limits(2.0, 2.0 * UPGRADES, 6e4), Pause::BackOff),
        ("the same, `ECPUPerSecond` 120,000", 1e5, 0.0, limits(2.0, 2.0 * UPGRADES, 12e4), Pause::BackOff),
        (
            "the same, clients that try every second",
            1e5,
            0.0,
            limits(2.0, 2.0 * UPGRADES, UNITS),
            Pause::EverySecond,
        ),
        ("a cell of 250,000, default quotas", cell, 0.0, quotas, Pause::BackOff),
        (
            "a cell of 250,000, five times these",
            cell,
            0.0,
            limits(5.0, 5.0 * UPGRADES, UNITS),
            Pause::BackOff,
        ),
        ("the same after 5 minutes away", cell, 300.0, limits(5.0, 5.0 * UPGRADES, UNITS), Pause::BackOff),
    ];
    let load = Load {
        requests: usage.requests / DEVICES,
        over_http: usage.over_http / usage.requests,
        frames: usage.frames / usage.requests,
        units: usage.units / usage.requests,
    };
    let mut text = head(&[
        "people online, each on two devices",
        "half are back after",
        "99 of 100",
        "most requests in a second",
        "most units in a second",
        "refused of what others do",
    ]);
    for (name, online, outage, limits, pause) in cases {
        let clients = (online * DEVICES) as usize;
        text += &line(name, &simulate(&Storm { clients, outage, load, limits, pause }));
    }
    text
}

fn line(name: &str, outcome: &Outcome) -> String {
    let seconds =
        |seconds: Option<f64>| seconds.map_or("never".to_owned(), |seconds| format!("{} s", about(seconds)));
    row([
        name.to_owned(),
        seconds(outcome.half),
        seconds(outcome.nearly_all),
        about(outcome.made),
        about(outcome.units),
        format!("{:.0}%", outcome.refused * 100.0),
    ])
}
