//! How many commands operations cost on a cluster of three primaries, where every slot needs commands of its own.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;
use support::{Message, User};

use crate::meter::ClusterMeter;

/// The 12 bits of a message's id that name its conversation.
fn conversation(message: &Message) -> String {
    message["id"].as_str().expect("an id")[15..18].to_owned()
}

async fn fill(alice: &User, bob: &User, count: usize) {
    for turn in (0..count).step_by(20) {
        join_all((turn..count.min(turn + 20)).map(async |turn| {
            let (sender, receiver) = if turn % 2 == 0 { (alice, bob) } else { (bob, alice) };
            sender.post_message(receiver, &turn.to_string()).await
        }))
        .await;
    }
}

#[tokio::test]
async fn a_page_of_one_conversation_costs_two_commands() {
    let meter = ClusterMeter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    fill(&alice, &bob, 1000).await;
    for turn in 0..3 {
        let (listed, commands) = meter.measure(alice.list_conversation(&bob)).await;
        assert_eq!(listed.len(), 1000);
        assert!(turn == 0 || commands.len() == 2, "{commands:?}");
    }
}

#[tokio::test]
async fn a_page_costs_one_command_for_each_conversation_in_it_and_one_more() {
    let meter = ClusterMeter::start().await;
    let alice = meter.app.user("alice");
    let peers: Vec<_> = (0..40).map(|turn| meter.app.user(&format!("peer-{turn}"))).collect();
    join_all(peers.iter().map(async |peer| fill(&alice, peer, 3).await)).await;
    let own = async |query: &str| {
        let path = format!("/events?user={}{query}", alice.key);
        meter.app.get(&path).await.json()["events"].as_array().expect("a list").len()
    };
    for turn in 0..3 {
        let (listed, commands) = meter.measure(alice.list_messages()).await;
        assert_eq!(listed.len(), 120);
        let conversations: HashSet<_> = listed.iter().map(conversation).collect();
        assert!(turn == 0 || commands.len() == conversations.len() + 1, "{commands:?}");
        let (told, commands) = meter.measure(own("&since=0-0&limit=1000")).await;
        assert_eq!(told, 120);
        assert!(turn == 0 || commands.len() == conversations.len() + 1, "{commands:?}");
    }
}

#[tokio::test]
async fn a_change_costs_one_command_for_its_message_and_one_for_each_user() {
    let meter = ClusterMeter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    for turn in 0..3 {
        let known = turn > 0;
        // In open mode everything is indexed, which is a command more.
        let (message, commands) = meter.measure(alice.post_message(&bob, "hello")).await;
        assert!(!known || commands.len() == 1 + 2 + 1, "{commands:?}");
        let draft = json!({
            "sender_id": alice.key, "receiver_id": bob.key, "content": "hello", "client_id": turn.to_string(),
        });
        let (named, commands) = meter.measure(meter.app.post("/messages", draft.to_string())).await;
        assert_eq!(named.status, 201);
        assert!(!known || commands.len() == 2 + 2 + 1, "{commands:?}");
        let (_, commands) = meter.measure(alice.read_message(&message)).await;
        assert_eq!(commands, ["GET"]);
        let (_, commands) = meter.measure(alice.edit_message(&message, "bye")).await;
        assert!(!known || commands.len() == 1 + 1 + 2, "{commands:?}");
        let ((), commands) = meter.measure(alice.delete_message(&message)).await;
        assert!(!known || commands.len() == 1 + 1 + 2 + 1, "{commands:?}");
    }
}
