//! Tickets for opening a WebSocket.

use crate::on_every_server;
use crate::world::{LIFETIME, MARGIN, World, connection, keys, user};

on_every_server! {
    a_ticket_binds_one_connection_to_its_user,
    a_ticket_is_good_for_thirty_seconds,
    what_is_no_ticket_binds_nobody,
}

async fn a_ticket_binds_one_connection_to_its_user(world: World) {
    let (alice, phone, thief) = (user("alice"), connection("phone"), connection("thief"));
    let ticket = world.store.issue_ticket(&alice).await.expect("the store answers");
    let redeem = async |id| world.store.redeem_ticket(&ticket, id).await.expect("the store answers");
    assert_eq!(redeem(&phone).await, Some(alice.clone()));
    assert_eq!(redeem(&thief).await, None);
    assert_eq!(world.speaker(&phone).await, Some(alice.clone()));
    assert_eq!(world.speaker(&thief).await, None);
    let left = world.seconds_left(&keys::connection(&phone)).await;
    assert!((LIFETIME + MARGIN - 60..=LIFETIME + MARGIN).contains(&left), "{left}");
    // Speaking for a user is not hearing what they hear: that takes a register.
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
}

async fn a_ticket_is_good_for_thirty_seconds(world: World) {
    let ticket = world.store.issue_ticket(&user("alice")).await.expect("the store answers");
    let left = world.seconds_left(&format!("ticket:{{{ticket}}}")).await;
    assert!((20..=30).contains(&left), "{left}");
}

async fn what_is_no_ticket_binds_nobody(world: World) {
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
