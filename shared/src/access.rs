//! Who may do what. Writes and listings demand a permit that only this module makes.

use crate::error::{Error, FrameError};
use crate::identity::Principal;
use crate::ids::{InvalidUserKey, UserKey};
use crate::message::{Content, Message, Record, Stored};

/// Clients know this sentence: it answers a message without one of its three fields.
pub const SEND_REQUIRES: &str = "sender_id, receiver_id, and content are required";

/// The right to send this message.
#[derive(Debug)]
pub struct MaySend(Message);

/// The right to change or delete what is stored under this message's id.
#[derive(Debug)]
pub struct MayChange(Stored);

/// The right to list messages: one user's, one conversation's, or all.
#[derive(Debug, Eq, PartialEq)]
pub enum MayList {
    /// Every message; in open mode only.
    Everything,
    /// Those of one user.
    User(UserKey),
    /// Those between two users.
    Conversation(UserKey, UserKey),
}

impl MaySend {
    pub(crate) fn into_message(self) -> Message {
        self.0
    }
}

impl MayChange {
    pub(crate) fn into_stored(self) -> Stored {
        self.0
    }
}

/// May the principal send this? The sender may be left out where the principal is known.
pub fn may_send(
    principal: &Principal,
    sender: Option<UserKey>,
    receiver: UserKey,
    content: Content,
) -> Result<MaySend, Error> {
    let sender = match (principal.user(), sender) {
        (None, None) => {
            return Err(Error::invalid(SEND_REQUIRES));
        }
        (None, Some(sender)) => sender,
        (Some(user), Some(sender)) if *user != sender => {
            return Err(Error::Forbidden("Messages are sent in one's own name only"));
        }
        (Some(user), _) => user.clone(),
    };
    Ok(MaySend(Message::compose(sender, receiver, content)))
}

/// May the principal read this message? To all but its participants it does not exist.
pub fn may_read(principal: &Principal, message: &Message) -> Result<(), Error> {
    match principal.user() {
        Some(user) if !message.participants().contains(&user) => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// May the principal edit or delete this message? Only its sender; to strangers it does not exist.
pub fn may_change(principal: &Principal, stored: Stored) -> Result<MayChange, Error> {
    let (sender, receiver) = match &stored.record {
        Record::Message(message) => (&message.sender_id, &message.receiver_id),
        Record::Tombstone(tombstone) => (&tombstone.sender_id, &tombstone.receiver_id),
    };
    match principal.user() {
        Some(user) if user == sender => Ok(MayChange(stored)),
        Some(user) if user == receiver && matches!(stored.record, Record::Message(_)) => {
            Err(Error::Forbidden("Only its sender may change a message"))
        }
        Some(_) => Err(Error::NotFound),
        None => Ok(MayChange(stored)),
    }
}

/// May the principal list these messages?
pub fn may_list(
    principal: &Principal,
    user: Option<UserKey>,
    with: Option<UserKey>,
) -> Result<MayList, Error> {
    let user = match (principal.user(), user) {
        (Some(own), Some(user)) if *own != user => {
            return Err(Error::Forbidden("Only one's own messages can be listed"));
        }
        (Some(own), _) => Some(own.clone()),
        (None, user) => user,
    };
    match (user, with) {
        (Some(user), Some(with)) => Ok(MayList::Conversation(user, with)),
        (Some(user), None) => Ok(MayList::User(user)),
        (None, None) => Ok(MayList::Everything),
        (None, Some(_)) => Err(Error::invalid("with needs user")),
    }
}

/// May the principal have a ticket? It is for themselves, so they must be known.
pub fn may_have_ticket(principal: Principal) -> Result<UserKey, Error> {
    principal.into_user().ok_or(Error::Unauthenticated)
}

/// As whom may a connection register? One that a ticket bound to a user as that user only, whether or not it
/// names them; in open mode any as anybody.
pub fn may_register(
    bound: Option<UserKey>,
    claimed: Option<UserKey>,
    allow_anonymous: bool,
) -> Result<UserKey, FrameError> {
    if allow_anonymous {
        return claimed.ok_or(FrameError::InvalidUserKey);
    }
    match (bound, claimed) {
        (Some(bound), Some(claimed)) if bound != claimed => Err(FrameError::Forbidden),
        (Some(bound), _) => Ok(bound),
        (None, _) => Err(FrameError::Forbidden),
    }
}

/// Whom a connection speaks for: the user it registered as; in open mode, failing that, whom it says it is.
pub fn speaker(
    registered: Option<UserKey>,
    claimed: Result<Option<UserKey>, InvalidUserKey>,
    allow_anonymous: bool,
) -> Result<UserKey, FrameError> {
    match registered {
        Some(user) => Ok(user),
        None if allow_anonymous => {
            claimed.map_err(|_| FrameError::InvalidUserKey)?.ok_or(FrameError::NotRegistered)
        }
        None => Err(FrameError::NotRegistered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{anyone, principal};

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn hi() -> Content {
        Content::parse(Some("hi".into()), "required").expect("valid content")
    }

    fn message() -> Message {
        Message::compose(user("alice"), user("bob"), hi())
    }

    #[test]
    fn one_sends_in_ones_own_name() {
        let send = |who: &Principal, sender: Option<&str>| {
            may_send(who, sender.map(user), user("bob"), hi())
                .map(|permit| permit.into_message().sender_id)
                .map_err(|error| error.answer().0)
        };
        assert_eq!(send(&principal("alice"), None), Ok(user("alice")));
        assert_eq!(send(&principal("alice"), Some("alice")), Ok(user("alice")));
        assert_eq!(send(&principal("alice"), Some("bob")), Err(403));
        assert_eq!(send(&anyone(), Some("bob")), Ok(user("bob")));
        assert_eq!(send(&anyone(), None), Err(400));
    }

    #[test]
    fn a_stranger_learns_nothing_of_a_message() {
        let read = |who: &Principal| may_read(who, &message()).map_err(|error| error.answer().0);
        assert_eq!(read(&principal("alice")), Ok(()));
        assert_eq!(read(&principal("bob")), Ok(()));
        assert_eq!(read(&anyone()), Ok(()));
        assert_eq!(read(&principal("mallory")), Err(404));
    }

    #[test]
    fn only_the_sender_changes_a_message() {
        let change = |who: &Principal, json: String| {
            let stored = Stored::parse(json).expect("it reads");
            may_change(who, stored).map(|_| ()).map_err(|error| error.answer().0)
        };
        let existing = || message().to_json();
        let tombstone = || crate::message::Tombstone::of(&message(), chrono::Utc::now()).to_json();
        assert_eq!(change(&principal("alice"), existing()), Ok(()));
        assert_eq!(change(&principal("bob"), existing()), Err(403));
        assert_eq!(change(&principal("mallory"), existing()), Err(404));
        assert_eq!(change(&anyone(), existing()), Ok(()));
        assert_eq!(change(&principal("alice"), tombstone()), Ok(()));
        assert_eq!(change(&principal("bob"), tombstone()), Err(404));
    }

    #[test]
    fn one_lists_ones_own_messages() {
        let list = |who: &Principal, of: Option<&str>, with: Option<&str>| {
            may_list(who, of.map(user), with.map(user)).map_err(|error| error.answer().0)
        };
        assert_eq!(list(&principal("alice"), None, None), Ok(MayList::User(user("alice"))));
        assert_eq!(
            list(&principal("alice"), None, Some("bob")),
            Ok(MayList::Conversation(user("alice"), user("bob")))
        );
        assert_eq!(list(&principal("alice"), Some("bob"), None), Err(403));
        assert_eq!(list(&anyone(), None, None), Ok(MayList::Everything));
        assert_eq!(list(&anyone(), None, Some("bob")), Err(400));
    }

    #[test]
    fn a_connection_registers_as_the_user_of_its_ticket() {
        let register = |bound: Option<&str>, claimed: Option<&str>, open| {
            may_register(bound.map(user), claimed.map(user), open).map_err(|error| error.answer().0)
        };
        assert_eq!(register(Some("alice"), None, false), Ok(user("alice")));
        assert_eq!(register(Some("alice"), Some("alice"), false), Ok(user("alice")));
        assert_eq!(register(Some("alice"), Some("bob"), false), Err("forbidden"));
        assert_eq!(register(None, Some("bob"), false), Err("forbidden"));
        assert_eq!(register(Some("alice"), Some("bob"), true), Ok(user("bob")));
        assert_eq!(register(None, None, true), Err("invalid_user_key"));
    }

    #[test]
    fn a_connection_speaks_for_whom_it_registered() {
        let speak = |registered: Option<&str>, claimed: Option<&str>, open| {
            speaker(registered.map(user), Ok(claimed.map(user)), open).map_err(|error| error.answer().0)
        };
        assert_eq!(speak(Some("alice"), Some("mallory"), true), Ok(user("alice")));
        assert_eq!(speak(None, Some("alice"), true), Ok(user("alice")));
        assert_eq!(speak(None, None, true), Err("not_registered"));
        assert_eq!(speak(None, Some("alice"), false), Err("not_registered"));
        assert!(speaker(Some(user("a")), Err(InvalidUserKey), true).is_ok());
    }
}
