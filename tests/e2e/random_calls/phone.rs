//! A client that keeps to the protocol's rules of calls, with a connection that is cut and comes back.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::{Either, select};
use hyper::Method;
use serde_json::{Value, json};
use support::{Device, User, in_time};
use tokio::time::sleep;

/// How long a client that rings waits for a frame before it asks, and how long from one question to the next. The
/// protocol's are 15 and 5 s: a run is as hard with shorter ones, and sooner over.
const QUIET: Duration = Duration::from_secs(3);
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(1);
/// How long a caller rings, and then a callee: 60 and 65 s by the protocol.
const CALLING: Duration = Duration::from_secs(10);
const RINGING: Duration = Duration::from_secs(11);
const TICK: Duration = Duration::from_millis(25);

/// The state that a person sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Idle,
    Calling(String),
    Ringing(String),
    Active(String),
}

impl Screen {
    pub(super) fn call(&self) -> Option<&str> {
        match self {
            Self::Idle => None,
            Self::Calling(id) | Self::Ringing(id) | Self::Active(id) => Some(id),
        }
    }
}

/// An act of a person.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Call,
    Answer,
    Decline,
    HangUp,
    Restart,
    Cut,
    Leave,
}

/// A device, driven by a script of acts.
pub(super) struct Phone {
    user: User,
    peer: User,
    /// Where tests, and the media of the peer, see it.
    pub(super) screen: RefCell<Screen>,
    /// Whether it has left for good.
    pub(super) has_left: RefCell<bool>,
    acts: RefCell<Vec<(Duration, Act)>>,
    calls: RefCell<u32>,
    since: Cell<Instant>,
    /// For a failure's sake, what it does, and since when.
    pub(super) doing: Cell<(&'static str, Instant)>,
}

/// A connection, and what it waits for.
struct Line {
    device: Option<Device>,
    heard: Instant,
    asked: Instant,
}

impl Screen {
    fn limit(&self) -> Duration {
        match self {
            Self::Calling(_) => CALLING,
            Self::Ringing(_) => RINGING,
            Self::Idle | Self::Active(_) => Duration::MAX,
        }
    }
}

impl Phone {
    pub(super) fn new(user: &User, peer: &User, acts: Vec<(Duration, Act)>) -> Self {
        Self {
            user: user.clone(),
            peer: peer.clone(),
            screen: RefCell::new(Screen::Idle),
            has_left: RefCell::new(false),
            acts: RefCell::new(acts),
            calls: RefCell::new(0),
            since: Cell::new(Instant::now()),
            doing: Cell::new(("", Instant::now())),
        }
    }

    fn show(&self, screen: Screen) {
        *self.screen.borrow_mut() = screen;
        self.since.set(Instant::now());
    }

    pub(super) fn shown(&self) -> Screen {
        self.screen.borrow().clone()
    }

    /// Lives until `is_over`. `has_media` says whether sound and picture of a call arrive from the other side.
    pub(super) async fn live(
        &self,
        random: &mut Rng,
        is_over: impl Fn() -> bool,
        has_media: impl Fn(&str) -> bool,
    ) {
        let started = Instant::now();
        let mut line = Line { device: None, heard: started, asked: started };
        self.connect(&mut line).await;
        while !is_over() {
            let act = {
                let mut acts = self.acts.borrow_mut();
                let is_due = acts.first().is_some_and(|(at, _)| started.elapsed() >= *at);
                is_due.then(|| acts.remove(0).1)
            };
            if let Some(act) = act {
                self.doing.set(("acts", Instant::now()));
                self.act(act, &mut line, random).await;
                if *self.has_left.borrow() {
                    return;
                }
            }
            let next = self.next(&mut line).await;
            let note = |what| self.doing.set((what, Instant::now()));
            match next {
                Some(Ok(frame)) => {
                    note("receives");
                    self.receive(&mut line, &frame).await;
                }
                Some(Err(())) => {
                    note("connects");
                    self.connect(&mut line).await;
                }
                None => {
                    note("asks itself");
                    self.wonder(&mut line, &has_media).await;
                }
            }
        }
    }

    /// The next frame, an end of the connection, or nothing for a moment.
    async fn next(&self, line: &mut Line) -> Option<Result<Value, ()>> {
        let Some(device) = &mut line.device else { return Some(Err(())) };
        let frame = Box::pin(device.next_or_end());
        match select(frame, Box::pin(sleep(TICK))).await {
            Either::Left((Some(frame), _)) => {
                line.heard = Instant::now();
                Some(Ok(frame))
            }
            Either::Left((None, _)) => Some(Err(())),
            Either::Right(_) => None,
        }
    }

    async fn connect(&self, line: &mut Line) {
        let mut device = self.user.open().await;
        let mut register = json!({ "type": "register", "userKey": self.user.key });
        if let Some(id) = self.shown().call() {
            register["call_id"] = json!(id);
        }
        device.send(register).await;
        line.device = Some(device);
        line.heard = Instant::now();
    }

    async fn send(&self, line: &mut Line, kind: &str, id: &str, more: Value) {
        let mut frame =
            json!({ "type": kind, "target": self.peer.key, "userKey": self.user.key, "call_id": id });
        for (name, value) in more.as_object().into_iter().flatten() {
            frame[name] = value.clone();
        }
        if let Some(device) = &mut line.device {
            device.send(frame).await;
        }
    }

    /// An offer or answer, and a candidate right behind it.
    async fn describe(&self, line: &mut Line, kind: &str, id: &str) {
        let ufrag = format!("{:08x}", fastrand::u32(..));
        let sdp = json!({ "data": { "sdp": format!("v=0\r\na=ice-ufrag:{ufrag}\r\n") } });
        self.send(line, kind, id, sdp).await;
        self.send(line, "candidate", id, json!({ "data": { "usernameFragment": ufrag } })).await;
    }

    async fn act(&self, act: Act, line: &mut Line, random: &mut Rng) {
        match (act, self.shown()) {
            (Act::Call, Screen::Idle) => {
                let id = format!("{}-{}", self.user.key, self.calls.replace_with(|calls| *calls + 1));
                let id = id[id.len().saturating_sub(60)..].to_owned();
                self.show(Screen::Calling(id.clone()));
                self.describe(line, "offer", &id).await;
            }
            (Act::Answer, Screen::Ringing(id)) => {
                self.show(Screen::Active(id.clone()));
                self.describe(line, "answer", &id).await;
            }
            (Act::Restart, Screen::Active(id)) => self.describe(line, "offer", &id).await,
            (Act::Decline, Screen::Ringing(id)) => self.end(line, &id, "declined").await,
            (Act::HangUp, Screen::Calling(id)) => self.end(line, &id, "cancelled").await,
            (Act::HangUp, Screen::Active(id)) => self.end(line, &id, "hangup").await,
            (Act::Cut, _) => {
                if let Some(device) = line.device.take() {
                    if random.bool() { device.reset() } else { device.cut().await }
                }
                self.connect(line).await;
            }
            (Act::Leave, _) => {
                line.device.take().expect("it is connected").reset();
                *self.has_left.borrow_mut() = true;
                self.show(Screen::Idle);
            }
            _ => {}
        }
    }

    /// A hang-up is made good over REST: a frame may not be heard.
    async fn end(&self, line: &mut Line, id: &str, reason: &str) {
        self.show(Screen::Idle);
        self.send(line, "end_call", id, json!({ "reason": reason })).await;
        let path = format!("/calls/{}/end", self.peer.key);
        let told = async {
            loop {
                let ended = json!({ "call_id": id, "reason": reason });
                let reply = self.user.request(Method::POST, &path, ended).await;
                if reply.status == 200 {
                    return;
                }
                // A machine that is too busy for its store; clients try again.
                reply.assert_unavailable();
            }
        };
        in_time("the answer to an end", told).await;
    }

    async fn receive(&self, line: &mut Line, frame: &Value) {
        let id = frame["call_id"].as_str().unwrap_or_default().to_owned();
        let shown = self.shown();
        let is_of_this = shown.call() == Some(id.as_str());
        match (frame["type"].as_str().unwrap_or_default(), shown) {
            ("offer", Screen::Active(_)) if is_of_this => self.describe(line, "answer", &id).await,
            ("offer", Screen::Ringing(_)) if is_of_this => {}
            // It may come late, of a call that is over: the server knows which one lives.
            ("offer", Screen::Active(own)) if self.read().await["call_id"] == own.as_str() => {}
            ("offer", Screen::Calling(own)) => {
                // The peer's own offer won: one's own is over.
                self.show(Screen::Active(id.clone()));
                self.describe(line, "answer", &id).await;
                self.send(line, "end_call", &own, json!({ "reason": "cancelled" })).await;
            }
            ("offer", _) => {
                self.show(Screen::Ringing(id.clone()));
                self.send(line, "ringing", &id, json!({})).await;
            }
            ("answer", Screen::Calling(_)) if is_of_this => self.show(Screen::Active(id)),
            ("end_call", _) if is_of_this => self.show(Screen::Idle),
            ("registered", shown) => {
                if let Some(own) = shown.call() {
                    let calls = frame["calls"].as_array().cloned().unwrap_or_default();
                    if !calls.iter().any(|call| call["call_id"] == own) {
                        self.ask(line).await;
                    }
                }
            }
            ("error", Screen::Calling(_)) if frame["code"] == "glare" => {}
            ("error", _) if frame["code"] == "peer_unavailable" => {}
            _ => {}
        }
    }

    /// Nothing has come for a moment: what rings in silence, or has no media, is asked for.
    async fn wonder(&self, line: &mut Line, has_media: &impl Fn(&str) -> bool) {
        let shown = self.shown();
        if let Some(id) = shown.call().filter(|_| self.since.get().elapsed() > shown.limit()) {
            return self.end(line, id, "timeout").await;
        }
        let doubts = match shown {
            Screen::Idle => false,
            Screen::Active(id) => !has_media(&id),
            _ => true,
        };
        if doubts && line.heard.elapsed() > QUIET && line.asked.elapsed() > BETWEEN_QUESTIONS {
            self.ask(line).await;
        }
    }

    /// The present or last call, an empty object where there was none.
    pub(super) async fn read(&self) -> Value {
        let path = format!("/calls/{}", self.peer.key);
        let reply = in_time("the state of a call", self.user.request(Method::GET, &path, None)).await;
        if reply.status == 200 { reply.json() } else { json!({}) }
    }

    async fn ask(&self, line: &mut Line) {
        line.asked = Instant::now();
        let call = self.read().await;
        let shown = self.shown();
        let Some(id) = shown.call() else { return };
        if call["call_id"] != id || call["state"] == "ended" {
            // An own offer may still be on its way, from a connection that was cut behind it.
            return self.end(line, id, "failed").await;
        }
        match (&shown, call["state"].as_str().unwrap_or_default()) {
            // Another device has answered.
            (Screen::Ringing(_), "active") => self.show(Screen::Idle),
            // The answer was lost on its way here: the two agree anew.
            (Screen::Calling(_), "active") => self.describe(line, "offer", id).await,
            // One's own answer was lost.
            (Screen::Active(_), "ringing") if call["role"] == "callee" => {
                self.describe(line, "answer", id).await
            }
            // A side without media tries again, as a restart of ICE does.
            (Screen::Active(_), "active") => self.describe(line, "offer", id).await,
            _ => {}
        }
    }
}
