//! The whole state that is searched: what the server knows, what is on its way, and what each client believes.

use crate::call::Line;
use crate::client::Client;
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::server::Invocation;

/// The number of clients.
pub const CLIENTS: usize = 3;

/// The state of everything. Two clocks are told apart, as the rules compare the one with the other never: the store's, in
/// milliseconds, moves by explicit steps alone; that of the platform counts the frames that reached it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct World {
    /// The store's clock.
    pub now: u64,
    /// The platform's clock.
    pub clock: u64,
    /// The server's knowledge of the two users.
    pub line: Line,
    /// The registered connections.
    pub open: Vec<Connection>,
    /// The connections that are noted as taking part, and those that are noted as gone, where these notes are steps of
    /// their own.
    pub noted: Vec<Connection>,
    /// See `noted`.
    pub gone: Vec<Connection>,
    /// Descriptions that wait for a user that is away.
    pub waiting: Vec<(usize, Frame)>,
    /// The clients.
    pub clients: [Client; CLIENTS],
    /// The invocations that are under way, in a normal order.
    pub invocations: Vec<Invocation>,
    /// What sets the clients of this scenario apart.
    pub habits: Habits,
    /// The things that may still happen.
    pub left: Budget,
    /// Whether a push has been lost or repeated.
    pub mishap: bool,
    /// The calls that a person has ended, and the client.
    pub ended: Vec<(CallId, usize)>,
    /// The promise that a step has broken.
    pub broken: Option<&'static str>,
}

/// What sets the clients of a scenario apart.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Habits {
    /// They read a frame at any later time than it reached their connection, in order.
    pub read_late: bool,
    /// They do not send `ringing`.
    pub silent: bool,
    /// What the store keeps of a connection is read and written by steps of their own, as it lies apart from the line.
    pub notes_apart: bool,
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    /// Frames that clients send, in all. Once it is used up, people press nothing more.
    pub frames: u8,
    /// Calls by each client.
    pub calls: [u8; CLIENTS],
    /// Hang-ups, in all.
    pub hang_ups: u8,
    /// Connections that die.
    pub deaths: u8,
    /// Connections that die without a `$disconnect`.
    pub vanishings: u8,
    /// Offers in an active call.
    pub reoffers: u8,
    /// Connections that are made anew.
    pub connects: u8,
    /// Steps of time.
    pub steps: u8,
    /// Pushes that are lost or repeated.
    pub mishaps: u8,
}

/// A client's connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Connection {
    /// The client.
    pub client: usize,
    /// The number of its connections before this one.
    pub generation: u8,
}

/// A frame to a client.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Frame {
    /// `offer`, of this call.
    Offer(CallId),
    /// `answer`, of this call; without an id where none was known.
    Answer(Option<CallId>),
    /// `ringing`.
    Ringing(CallId),
    /// `end_call`.
    End(CallId),
    /// `end_call`, as another connection of the same user takes part.
    Elsewhere(CallId),
    /// `registered`.
    Registered {
        /// The live calls.
        calls: Vec<CallId>,
        /// Whether the connection takes part.
        here: bool,
    },
    /// The refusal of an offer that crossed another.
    Glare(Option<CallId>),
}

impl Frame {
    /// The calls that it names.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &CallId> {
        let (one, more): (Option<&CallId>, &[CallId]) = match self {
            Self::Offer(id) | Self::Ringing(id) | Self::End(id) | Self::Elsewhere(id) => (Some(id), &[]),
            Self::Answer(id) | Self::Glare(id) => (id.as_ref(), &[]),
            Self::Registered { calls, .. } => (None, calls),
        };
        one.into_iter().chain(more)
    }
}

impl Connection {
    /// Its id.
    pub fn id(self) -> ConnectionId {
        ConnectionId::from_platform(format!("{}-{}", self.client, self.generation))
    }

    /// The connection of an id that was made here.
    pub fn of(id: &ConnectionId) -> Self {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u8>().ok()).unwrap_or_default();
        let mut parts = id.as_str().split('-');
        let client = usize::from(number(parts.next()));
        Self { client, generation: number(parts.next()) }
    }
}

/// The key of one of the two users.
pub fn user_key(user: usize) -> UserKey {
    let name = if user == 0 { "alice" } else { "bob" };
    UserKey::try_from(name.to_owned()).expect("a user key")
}

/// The id of a client's call: its own where it names its calls, else what the server makes up for it.
pub fn call_id(client: usize, number: u8) -> CallId {
    CallId::try_from(format!("call-{client}-{number}")).expect("an id of a call")
}

impl World {
    /// Whether nothing is on its way.
    pub fn is_settled(&self) -> bool {
        self.invocations.is_empty() && self.clients.iter().all(|client| client.unread.is_empty())
    }

    /// Whether a connection is there.
    pub fn is_there(&self, connection: Connection) -> bool {
        self.connection_of(connection.client) == Some(connection)
    }

    /// The registered connections of a user.
    pub fn connections(&self, user: usize) -> Vec<Connection> {
        self.open.iter().copied().filter(|connection| self.clients[connection.client].user == user).collect()
    }
}
