//! Traces of the search of the rules of calls, replayed against the real functions: they give the same frames.

use std::collections::BTreeMap;

use hyper::Method;
use model::client::Client;
use model::scenario::Scenario;
use model::scenarios::{all, of_two};
use model::server::Kind;
use model::trace::{Handled, trace};
use model::world::{CLIENTS, Frame};
use serde_json::{Value, json};
use support::{App, Clock, Device, TestStore, User, wait_until};

use crate::calling::FUNCTIONS;

const TRACES: usize = 200;
/// The most frames of a trace.
const FRAMES: u8 = 12;

struct Replay<'a> {
    app: &'a App,
    users: [User; 2],
    devices: [Option<Device>; CLIENTS],
    /// The model's names of calls that the server named.
    names: BTreeMap<String, String>,
}

/// The scenarios without time, which stands still here, and without pushes that are lost.
fn scenarios() -> Vec<Scenario> {
    let mut scenarios: Vec<_> = of_two(FRAMES).into_iter().chain(all(FRAMES)).collect();
    for scenario in &mut scenarios {
        scenario.budget.steps = 0;
        scenario.budget.mishaps = 0;
    }
    scenarios
}

#[tokio::test]
async fn the_functions_do_as_the_search_expects() {
    let Some(clock) = Clock::start() else { return };
    let store = TestStore::start_by(&clock).await;
    clock.stop();
    let app = App::builder().on_store(&store).start().await;
    let scenarios = scenarios();
    let (mut frames, mut longest) = (0, 0);
    for seed in 0..TRACES {
        let scenario = &scenarios[seed % scenarios.len()];
        let handled = trace(scenario, seed as u64);
        frames += handled.len();
        longest = longest.max(handled.len());
        replay(&app, scenario, &handled, seed).await;
    }
    println!("{TRACES} traces, {frames} frames, the longest {longest}");
    assert!(longest >= usize::from(FRAMES));
}

async fn replay(app: &App, scenario: &Scenario, trace: &[Handled], seed: usize) {
    let users = [app.user("alice"), app.user("bob")];
    let mut replay = Replay { app, users, devices: [None, None, None], names: BTreeMap::new() };
    let start = scenario.start();
    for (place, client) in start.clients.iter().enumerate().filter(|(_, client)| client.online) {
        replay.devices[place] = Some(replay.users[client.user].connect().await);
    }
    let mut told = String::new();
    for step in trace {
        let client = &start.clients[step.sent.from.client];
        replay.send(client, step).await;
        replay.settle().await;
        told = format!("{told}\n{:?} {:?}: {:?}", step.sent.from, step.sent.kind, step.seen);
        for place in 0..CLIENTS {
            let seen = replay.read(place).await;
            let expected: Vec<Value> = step.seen[place].iter().map(words).collect();
            let seen: Vec<_> = seen.into_iter().map(|frame| replay.name(frame, &expected)).collect();
            assert_eq!(seen, expected, "client {place}, {}, seed {seed}:{told}", scenario.name);
        }
    }
    for device in replay.devices.into_iter().flatten() {
        device.close().await;
    }
}

impl Replay<'_> {
    /// Sends what a step is about.
    async fn send(&mut self, client: &Client, step: &Handled) {
        let (place, me, peer) =
            (step.sent.from.client, &self.users[client.user], &self.users[1 - client.user]);
        let real = |id: &str| {
            self.names.iter().find(|(_, name)| *name == id).map_or(id, |(real, _)| real).to_owned()
        };
        let id = step.sent.id.as_ref().map(|id| real(id.as_str()));
        let frame = |kind: &str, more: Value| {
            let mut frame = json!({ "type": kind, "target": peer.key, "userKey": me.key });
            if let Some(id) = &id {
                frame["call_id"] = json!(id);
            }
            for (name, value) in more.as_object().into_iter().flatten() {
                frame[name] = value.clone();
            }
            frame
        };
        let frame = match step.sent.kind {
            Kind::Offer => frame("offer", json!({ "data": "v=0" })),
            Kind::Answer => frame("answer", json!({ "data": "v=0" })),
            Kind::Ringing => frame("ringing", json!({})),
            Kind::End(reason) => frame("end_call", json!({ "reason": reason })),
            Kind::EndByRest(reason) => {
                let path = format!("/calls/{}/end", peer.key);
                let ended = me.request(Method::POST, &path, json!({ "call_id": id, "reason": reason })).await;
                assert_eq!(ended.status, 200, "{}", ended.text());
                return;
            }
            Kind::Register => {
                self.devices[place] = Some(self.app.connect().await);
                frame("register", json!({}))
            }
            Kind::Disconnect => {
                let device = self.devices[place].take().expect("it was there");
                return device.cut().await;
            }
        };
        let device = self.devices[place].as_mut().expect("it is there");
        device.send(frame).await;
    }

    /// Awaits that what was sent has been dealt with.
    async fn settle(&mut self) {
        for device in self.devices.iter_mut().flatten() {
            device.settle().await;
        }
        let lambda = self.app.gateway().lambda();
        wait_until("the end of the functions' work", async || {
            FUNCTIONS.iter().all(|function| lambda.idle(function) == lambda.instances(function))
        })
        .await;
    }

    /// The frames that have come, of those that the search knows.
    async fn read(&mut self, place: usize) -> Vec<Value> {
        let Some(device) = &mut self.devices[place] else { return Vec::new() };
        device.take_all().await.iter().filter_map(summary).collect()
    }

    /// The frame with the model's name of its call, where the server made that up.
    fn name(&mut self, frame: Value, expected: &[Value]) -> Value {
        let mut text = frame.to_string();
        for (real, name) in &self.names {
            text = text.replace(real.as_str(), name);
        }
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        let unknown = frame[1].as_str().filter(|id| id.starts_with("s-")).map(str::to_owned);
        let Some(unknown) = unknown else { return frame };
        let named = expected.iter().find(|one| one[0] == frame[0]).and_then(|one| one[1].as_str());
        let Some(name) = named else { return frame };
        self.names.insert(unknown, name.to_owned());
        json!([frame[0], name])
    }
}

/// A frame of the model, as [`summary`] tells one of the functions.
fn words(frame: &Frame) -> Value {
    match frame {
        Frame::Offer(id) => json!(["offer", id.as_str()]),
        Frame::Answer(id) => json!(["answer", id.as_ref().map(|id| id.as_str())]),
        Frame::Ringing(id) => json!(["ringing", id.as_str()]),
        Frame::End(id) | Frame::Elsewhere(id) => json!(["end_call", id.as_str()]),
        Frame::Registered { calls, here } => {
            let calls: Vec<_> = calls.iter().map(|id| json!([id.as_str(), here])).collect();
            json!(["registered", calls])
        }
        Frame::Glare(id) => json!(["glare", id.as_ref().map(|id| id.as_str())]),
    }
}

/// A frame in short; `None` for one that the search does not know.
fn summary(frame: &Value) -> Option<Value> {
    match frame["type"].as_str().unwrap_or_default() {
        "registered" => {
            let calls = frame["calls"].as_array().into_iter().flatten();
            let calls: Vec<_> = calls.map(|call| json!([call["call_id"], call["here"]])).collect();
            Some(json!(["registered", calls]))
        }
        "error" if frame["code"] == "glare" => Some(json!(["glare", frame["call_id"]])),
        "error" if frame["code"] == "peer_unavailable" => None,
        "peer_disconnected" | "peer_reconnected" => None,
        kind => Some(json!([kind, frame["call_id"]])),
    }
}
