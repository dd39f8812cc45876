//! The costs of scripts: their text goes over each connection once, their hash from then on.

use crate::meter::Meter;

#[tokio::test]
async fn a_script_is_sent_whole_once_and_again_when_the_server_forgot_it() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let send = async || meter.measure(alice.post_message(&bob, "hello")).await.1;

    let first = send().await;
    assert_eq!((first.count("EVAL"), first.count("EVALSHA")), (vec![1, 2], vec![0, 0]));
    for _ in 0..3 {
        let later = send().await;
        assert_eq!((later.count("EVAL"), later.count("EVALSHA")), (vec![0, 0], vec![1, 2]));
    }

    meter.forget_scripts().await;
    let forgotten = send().await;
    let (whole, by_hash) = (forgotten.count("EVAL"), forgotten.count("EVALSHA"));
    assert_eq!((whole, by_hash), (vec![0, 1, 0, 2], vec![1, 0, 2, 0]));
    send().await.assert(2);

    let messages = alice.list_messages().await;
    assert_eq!(messages.len(), 6, "each was kept once");
}
