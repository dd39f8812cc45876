//! Phones in a call: what a device sends and sees, in words.

use hyper::Method;
use serde_json::{Value, json};
use support::{Device, User};

/// The functions that frames and lost connections run.
pub(crate) const FUNCTIONS: [&str; 3] = ["Register", "Signaling", "Disconnect"];

/// A device and its user.
pub(crate) struct Phone {
    pub(crate) device: Device,
    pub(crate) user: User,
}

impl Phone {
    pub(crate) async fn of(user: &User) -> Self {
        Self { device: user.connect().await, user: user.clone() }
    }

    /// A device that takes up a call, and what `registered` says.
    pub(crate) async fn resuming(user: &User, id: &str) -> (Self, Value) {
        let mut device = user.open().await;
        device.send(json!({ "type": "register", "userKey": user.key, "call_id": id })).await;
        let registered = device.expect("registered").await;
        (Self { device, user: user.clone() }, registered)
    }

    pub(crate) async fn send(&mut self, kind: &str, to: &User, id: Option<&str>, more: Value) {
        let mut frame = json!({ "type": kind, "target": to.key, "userKey": self.user.key });
        if let Some(id) = id {
            frame["call_id"] = json!(id);
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            frame[name] = value.clone();
        }
        self.device.send(frame).await;
    }

    pub(crate) async fn offer(&mut self, to: &User, id: Option<&str>) {
        self.send("offer", to, id, json!({ "data": "v=0" })).await;
    }

    pub(crate) async fn answer(&mut self, to: &User, id: Option<&str>) {
        self.send("answer", to, id, json!({ "data": "v=0" })).await;
    }

    pub(crate) async fn ringing(&mut self, to: &User, id: &str) {
        self.send("ringing", to, Some(id), json!({})).await;
    }

    pub(crate) async fn end(&mut self, to: &User, id: Option<&str>, reason: Option<&str>) {
        let more = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        self.send("end_call", to, id, more).await;
    }

    /// The next frame is of this type.
    pub(crate) async fn sees(&mut self, kind: &str) -> Value {
        let frame = self.device.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame ends this call for this reason.
    pub(crate) async fn sees_end(&mut self, id: &str, reason: &str) {
        let frame = self.sees("end_call").await;
        assert_eq!((&frame["call_id"], &frame["reason"]), (&json!(id), &json!(reason)), "{frame}");
    }

    /// Nothing has come, once what was sent has been dealt with.
    pub(crate) async fn sees_nothing(&mut self) {
        self.device.settle().await;
        self.device.expect_silence().await;
    }
}

/// `GET /calls/{peer}` as one of the two reads it.
pub(crate) async fn read_call(user: &User, peer: &User) -> Value {
    let reply = user.request(Method::GET, &format!("/calls/{}", peer.key), None).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// An offer that is taken and answered: it begins a call, or renegotiates it.
pub(crate) async fn agree(one: &mut Phone, other: &mut Phone, id: Option<&str>) {
    let (from, to) = (one.user.clone(), other.user.clone());
    one.offer(&to, id).await;
    other.sees("offer").await;
    other.answer(&from, id).await;
    one.sees("answer").await;
}

/// A call between two devices, active.
pub(crate) async fn active(alice: &User, bob: &User, id: Option<&str>) -> (Phone, Phone) {
    let (mut caller, mut callee) = (Phone::of(alice).await, Phone::of(bob).await);
    agree(&mut caller, &mut callee, id).await;
    (caller, callee)
}
