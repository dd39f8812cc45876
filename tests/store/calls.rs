//! The line between two users, compared and swapped, and the frames held for it.

use rstest::rstest;
use shared::call::Line;
use shared::store::{Handed, Held, List, Moves, Opened, Pair, Swap};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, connection, user};

struct Calls {
    world: World,
    pair: Pair,
}

impl Calls {
    async fn open(store: StoreKind) -> Self {
        Self { world: World::open(store).await, pair: Pair::of(&user("alice"), &user("bob")) }
    }

    async fn read(&self) -> Opened {
        self.world.store.open_line(&self.pair, true).await.expect("the store answers")
    }

    async fn hold(&self, list: List<'_>, held: &Held) -> bool {
        let opened = self.read().await;
        self.world.store.hold(&self.pair, &opened, list, held).await.expect("the store answers").is_none()
    }

    async fn swap(&self, was: &Opened, line: Line, moves: Moves<'_>) -> Result<Handed, Opened> {
        match self.world.store.swap_line(&self.pair, was, line, moves).await.expect("the store answers") {
            Swap::Done(_, handed) => Ok(handed),
            Swap::Lost(now) => Err(now),
        }
    }

    async fn take(&self, moves: Moves<'_>) -> Handed {
        let opened = self.read().await;
        self.swap(&opened, opened.line.clone(), moves).await.expect("nobody else changes it")
    }
}

/// A line in which an id is over.
fn line(id: &str) -> Line {
    let over = format!(r#"{{"over":[["{id}",{{"at":4000000000000,"reason":"hangup"}}]]}}"#);
    serde_json::from_str(&over).expect("a line")
}

fn held(frame: &str) -> Held {
    let id = "12345678".to_owned().try_into().expect("an id");
    Held { at: 7, id: Some(id), ufrag: Some("a b=%".to_owned()), frame: frame.to_owned() }
}

#[rstest]
#[tokio::test]
async fn a_line_is_swapped_only_as_it_was_read(#[values(Single, SecureCluster)] store: StoreKind) {
    let calls = Calls::open(store).await;
    let (first, second) = (calls.read().await, calls.read().await);
    assert_eq!(first.line, Line::default());
    calls.swap(&first, line("one-----"), Moves::default()).await.expect("it is as it was read");
    let now = calls.swap(&second, line("other---"), Moves::default()).await.expect_err("it has changed");
    assert_eq!(now.line, line("one-----"));
    calls.swap(&now, line("other---"), Moves::default()).await.expect("it is as it was read");
    assert_eq!(calls.read().await.line, line("other---"));
}

#[rstest]
#[tokio::test]
async fn frames_are_held_and_handed_over(#[values(Single, SecureCluster)] store: StoreKind) {
    let calls = Calls::open(store).await;
    let (phone, bob) = (connection("phone"), user("bob"));
    let (one, two) = (held(r#"{"n":1}"#), held(r#"{"n": 2, "x":" "}"#));
    for frame in [&one, &two] {
        assert!(calls.hold(List::Early(&phone), frame).await);
        assert!(calls.hold(List::Waiting(&bob), frame).await);
        // With the offer that rings only candidates are held, and none rings.
        assert!(calls.hold(List::Ring, frame).await);
    }
    assert!(calls.read().await.ring.is_empty());
    let handed = calls.take(Moves { early_of: Some(&phone), ..Moves::default() }).await;
    assert_eq!(handed.early, [one.clone(), two.clone()]);
    let other = calls.take(Moves { early_of: Some(&connection("other")), ..Moves::default() }).await;
    assert!(other.early.is_empty());
    let handed = calls.take(Moves { waiting_for: Some(&bob), ..Moves::default() }).await;
    assert_eq!(handed.waiting, [one, two]);
    let handed = calls.take(Moves { waiting_for: Some(&bob), ..Moves::default() }).await;
    assert!(handed.waiting.is_empty());
}

#[tokio::test]
async fn a_list_is_bounded() {
    let calls = Calls::open(Single).await;
    let phone = connection("phone");
    for _ in 0..70 {
        calls.hold(List::Early(&phone), &held("{}")).await;
    }
    assert_eq!(calls.take(Moves { early_of: Some(&phone), ..Moves::default() }).await.early.len(), 64);
    let tablet = connection("tablet");
    for _ in 0..5 {
        calls.hold(List::Early(&tablet), &held(&"x".repeat(100_000))).await;
    }
    assert_eq!(calls.take(Moves { early_of: Some(&tablet), ..Moves::default() }).await.early.len(), 2);
}

#[tokio::test]
async fn a_frame_is_not_held_for_what_has_changed() {
    let calls = Calls::open(Single).await;
    let (was, phone) = (calls.read().await, connection("phone"));
    calls.swap(&was, line("one-----"), Moves::default()).await.expect("it is as it was read");
    let now = calls.world.store.hold(&calls.pair, &was, List::Early(&phone), &held("{}")).await;
    assert_eq!(now.expect("the store answers").map(|now| now.line), Some(line("one-----")));
    assert!(calls.take(Moves { early_of: Some(&phone), ..Moves::default() }).await.early.is_empty());
}
