//! The whole state that is searched: what the server knows, what is on its way, and what each client believes.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::call::Line;
use crate::client::Client;
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::server::Invocation;

/// The number of clients.
pub const CLIENTS: usize = 3;

/// The state of everything. Times are in milliseconds and move by one with each frame, and by explicit steps.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct World {
    /// The one clock.
    pub now: u64,
    /// The server's knowledge of the two users.
    pub line: Line,
    /// The registered connections.
    pub open: Vec<Connection>,
    /// Descriptions that wait for a user that is away.
    pub waiting: Vec<(usize, Frame)>,
    /// The clients.
    pub clients: [Client; CLIENTS],
    /// The invocations that are under way, in a normal order.
    pub invocations: Vec<Invocation>,
    /// The things that may still happen.
    pub left: Budget,
    /// Whether a push has been lost or repeated.
    pub mishap: bool,
    /// The calls that a person has ended, and the client.
    pub ended: Vec<(CallId, usize)>,
    /// The promise that a step has broken.
    pub broken: Option<&'static str>,
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
        self.invocations.is_empty()
    }

    /// Whether a connection is there.
    pub fn is_there(&self, connection: Connection) -> bool {
        self.connection_of(connection.client) == Some(connection)
    }

    /// The registered connections of a user.
    pub fn connections(&self, user: usize) -> Vec<Connection> {
        self.open.iter().copied().filter(|connection| self.clients[connection.client].user == user).collect()
    }

    /// Puts what is on its way in an order that says nothing of how it came about.
    pub fn normalize(&mut self) {
        self.invocations.sort_by_cached_key(|invocation| {
            let mut hasher = DefaultHasher::new();
            invocation.hash(&mut hasher);
            hasher.finish()
        });
        self.open.sort_by_key(|connection| (connection.client, connection.generation));
    }
}
