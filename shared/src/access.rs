//! The rules of access. Writes and listings demand a permit that only this module makes.

use crate::error::{Error, FrameError};
use crate::identity::Principal;
use crate::ids::{InvalidUserKey, MessageId, UserKey};
use crate::message::{Draft, Message, Record, Stored};

/// Clients know this sentence: it answers a message without one of its three fields.
pub const SEND_REQUIRES: &str = "sender_id, receiver_id, and content are required";

/// The right to send this draft.
#[derive(Debug)]
pub struct MaySend {
    sender: UserKey,
    receiver: UserKey,
    draft: Draft,
}

/// The right to change or delete what is stored under this message's id.
#[derive(Debug)]
pub struct MayChange(MessageId, Stored);

/// The right to what is a user's own: events, conversations.
#[derive(Debug, Eq, PartialEq)]
pub struct Own(UserKey);

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

/// The right to everything that is kept: for the tool of those who hold the store's address and password anyway.
/// No function has it.
#[derive(Debug)]
pub struct Administrator(());

impl Administrator {
    /// Whoever starts the administrator's tool.
    pub fn assume() -> Self {
        Self(())
    }

    /// The right to what is this user's own.
    pub fn on_behalf_of(&self, user: UserKey) -> Own {
        Own(user)
    }
}

impl MaySend {
    pub(crate) fn into_parts(self) -> (UserKey, UserKey, Draft) {
        (self.sender, self.receiver, self.draft)
    }
}

impl MayChange {
    pub(crate) fn into_parts(self) -> (MessageId, Stored) {
        (self.0, self.1)
    }
}

impl Own {
    /// The user.
    pub fn user(&self) -> &UserKey {
        &self.0
    }

    /// The right to list the user's messages.
    pub fn messages(&self) -> MayList {
        MayList::User(self.0.clone())
    }

    /// The right to erase a message that the user sent or received, or what is left of it.
    pub(crate) fn may_erase(&self, id: MessageId, stored: Stored) -> Option<MayChange> {
        let (sender, receiver) = stored.record.participants();
        [sender, receiver].contains(&&self.0).then_some(MayChange(id, stored))
    }
}

/// May the principal send this? The sender may be left out where the principal is known.
pub fn may_send(
    principal: &Principal,
    sender: Option<UserKey>,
    receiver: UserKey,
    draft: Draft,
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
    Ok(MaySend { sender, receiver, draft })
}

/// May the principal read this message? To all but its participants it does not exist.
pub fn may_read(principal: &Principal, message: &Message) -> Result<(), Error> {
    match principal.user() {
        Some(user) if ![&message.sender_id, &message.receiver_id].contains(&user) => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// May the principal edit or delete this message? Only its sender; to strangers it does not exist.
pub fn may_change(principal: &Principal, id: MessageId, stored: Stored) -> Result<MayChange, Error> {
    let (sender, receiver) = stored.record.participants();
    match principal.user() {
        Some(user) if user == sender => Ok(MayChange(id, stored)),
        Some(user) if user == receiver && matches!(stored.record, Record::Message(_)) => {
            Err(Error::Forbidden("Only its sender may change a message"))
        }
        Some(_) => Err(Error::NotFound),
        None => Ok(MayChange(id, stored)),
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

/// May the principal have what is this user's own? Without one, it is theirs; in open mode one must be named.
pub fn own(principal: &Principal, user: Option<UserKey>) -> Result<Own, Error> {
    match (principal.user(), user) {
        (Some(own), Some(user)) if *own != user => Err(Error::Forbidden("That is another user's own")),
        (Some(own), _) => Ok(Own(own.clone())),
        (None, Some(user)) => Ok(Own(user)),
        (None, None) => Err(Error::invalid("user is required")),
    }
}

/// May the principal have a ticket? It is for themselves, so they must be known.
pub fn may_have_ticket(principal: Principal) -> Result<UserKey, Error> {
    principal.into_user().ok_or(Error::Unauthenticated)
}

/// The user that a connection may register as: the one that its ticket bound it to, whether or not it names that
/// user; in open mode any user that it names.
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
        (None, claimed) => Err(FrameError::Forgotten(claimed)),
    }
}

/// The user that a connection speaks for: the one it registered as; in open mode, failing that, the one it names.
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
        None => Err(FrameError::Forgotten(claimed.ok().flatten())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{anyone, principal};
    use crate::message::Content;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn draft() -> Draft {
        let content = Content::parse(Some("hi".into()), "required").expect("valid content");
        Draft { content, client_id: None, metadata: None }
    }

    fn id() -> MessageId {
        let now = "2026-01-02T03:04:05Z".parse().expect("a time");
        MessageId::generate(&user("alice"), &user("bob"), now).expect("randomness")
    }

    fn message() -> Message {
        Message::compose(id(), user("alice"), user("bob"), draft())
    }

    #[test]
    fn one_sends_in_ones_own_name() {
        let send = |who: &Principal, sender: Option<&str>| {
            may_send(who, sender.map(user), user("bob"), draft())
                .map(|permit| permit.into_parts().0)
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
            may_change(who, id(), stored).map(|_| ()).map_err(|error| error.answer().0)
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
    fn a_user_erases_what_they_sent_or_received() {
        let may_erase = |who: &str, json: String| {
            Own(user(who)).may_erase(id(), Stored::parse(json).expect("it reads")).is_some()
        };
        let tombstone = || crate::message::Tombstone::of(&message(), chrono::Utc::now()).to_json();
        for json in [message().to_json(), tombstone()] {
            assert!(may_erase("alice", json.clone()));
            assert!(may_erase("bob", json.clone()));
            assert!(!may_erase("mallory", json));
        }
    }

    #[test]
    fn what_is_ones_own_is_ones_own() {
        let follow = |who: &Principal, of: Option<&str>| {
            own(who, of.map(user)).map(|permit| permit.0).map_err(|error| error.answer().0)
        };
        assert_eq!(follow(&principal("alice"), None), Ok(user("alice")));
        assert_eq!(follow(&principal("alice"), Some("alice")), Ok(user("alice")));
        assert_eq!(follow(&principal("alice"), Some("bob")), Err(403));
        assert_eq!(follow(&anyone(), Some("bob")), Ok(user("bob")));
        assert_eq!(follow(&anyone(), None), Err(400));
    }

    #[test]
    fn a_connection_registers_as_the_user_of_its_ticket() {
        let register = |bound: Option<&str>, claimed: Option<&str>, open| {
            may_register(bound.map(user), claimed.map(user), open).map_err(|error| error.answer().0)
        };
        assert_eq!(register(Some("alice"), None, false), Ok(user("alice")));
        assert_eq!(register(Some("alice"), Some("alice"), false), Ok(user("alice")));
        assert_eq!(register(Some("alice"), Some("bob"), false), Err("forbidden"));
        assert_eq!(register(None, Some("bob"), false), Err("not_registered"));
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
