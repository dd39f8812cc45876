//! Tickets for opening a WebSocket.
use rstest::rstest;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{LIFETIME, MARGIN, World, connection, keys, user};

#[rstest]
#[tokio::test]
async fn a_ticket_binds_one_connection_to_its_user(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone, thief) = (user("alice"), connection("phone"), connection("thief"));
    let ticket = world.store.issue_ticket(&alice).await.expect("the store answers");
    let redeem = async |id| world.store.redeem_ticket(&ticket, id).await.expect("the store answers");
    assert_eq!(redeem(&phone).await, Some(alice.clone()));
    assert_eq!(redeem(&thief).await, None);
    assert_eq!(world.speaker(&phone).await, Some(alice.clone()));
    assert_eq!(world.speaker(&thief).await, None);
    let left = world.seconds_left(&keys::connection(&phone)).await;
    assert!((LIFETIME + MARGIN - 60..=LIFETIME + MARGIN).contains(&left), "{left}");
    // A connection that speaks for a user gets no notifications until it registers.
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
}

#[tokio::test]
async fn a_ticket_is_good_for_thirty_seconds() {
    let world = World::open(SecureCluster).await;
    let ticket = world.store.issue_ticket(&user("alice")).await.expect("the store answers");
    let left = world.seconds_left(&format!("ticket:{{{ticket}}}")).await;
    assert!((20..=30).contains(&left), "{left}");
}

#[tokio::test]
async fn a_text_that_is_no_ticket_binds_no_connection() {
    let world = World::open(SecureCluster).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let ticket = world.store.issue_ticket(&alice).await.expect("the store answers");
    let longer = format!("{ticket}0");
    for text in [
        "",
        "x",
        "}:{",
        &ticket[1..],
        &longer,
        &ticket.to_uppercase().replace('0', "1"),
        &"0".repeat(ticket.len()),
    ] {
        let redeemed = world.store.redeem_ticket(text, &phone).await.expect("the store answers");
        assert_eq!(redeemed, None, "{text}");
    }
    assert_eq!(world.speaker(&phone).await, None);
    assert_eq!(world.store.redeem_ticket(&ticket, &phone).await.expect("the store answers"), Some(alice));
}
