//! Pushes that an invocation makes at once.

use crate::call::{Event, Reason};
use crate::ids::CallId;
use crate::world::{Connection, Frame};

/// Pushes that are made at once, and how they went.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Wave {
    /// Those that are still to be made.
    pub pushes: Vec<Push>,
    /// The call that lives, and its callee.
    pub(crate) live: Option<(CallId, usize)>,
    /// The description that is told as delivered: the offer's call, none for an answer.
    pub(crate) describes: Option<Option<CallId>>,
    pub(crate) described: Vec<Connection>,
    pub(crate) offered: Vec<Connection>,
    pub(crate) told: Vec<(CallId, Connection)>,
    pub(crate) lost: Vec<Connection>,
    pub(crate) glare: bool,
    /// The event's frame, where it goes to one connection.
    pub(crate) relayed: Option<(Connection, Event)>,
    /// Whether the refusal is pushed, after which nothing follows.
    pub(crate) last: bool,
}

/// Frames for one connection, in order.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Push {
    /// The connection.
    pub to: Connection,
    /// The frames.
    pub frames: Vec<Frame>,
    pub(crate) described: bool,
    pub(crate) offered: bool,
    pub(crate) ended: Vec<CallId>,
    /// Whether it has arrived once.
    pub repeated: bool,
}

/// How a push goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It counts as delivered, and does not arrive.
    IsLost,
    /// It arrives, and will arrive once more.
    Repeats,
}

impl Wave {
    pub(crate) fn push(&mut self, to: Connection) -> &mut Push {
        let place = self.pushes.iter().position(|push| push.to == to).unwrap_or_else(|| {
            let (frames, ended) = (Vec::new(), Vec::new());
            self.pushes.push(Push { to, frames, described: false, offered: false, ended, repeated: false });
            self.pushes.len() - 1
        });
        &mut self.pushes[place]
    }

    pub(crate) fn end(&mut self, to: Connection, id: &CallId, reason: Reason) {
        let push = self.push(to);
        if !push.ended.contains(id) {
            let is_elsewhere = reason == Reason::AnsweredElsewhere;
            let frame = if is_elsewhere { Frame::Elsewhere(id.clone()) } else { Frame::End(id.clone()) };
            push.frames.push(frame);
            push.ended.push(id.clone());
        }
    }
}
