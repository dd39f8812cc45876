//! The store on real servers: every test runs on a single Valkey, on a cluster, and on a cluster like the one that
//! a deployment creates.

mod calls;
mod events;
mod ground;
mod listing;
mod lost_connections;
mod messages;
mod registry;
mod scripts;
mod secure;
mod tickets;
mod user_keys;
mod world;

/// Makes tests of these functions, one for each kind of server.
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => {
        mod single {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::World::open($crate::ground::single()).await).await;
            })+
        }

        mod cluster {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::World::open($crate::ground::cluster()).await).await;
            })+
        }

        mod secure {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::World::open($crate::ground::secure()).await).await;
            })+
        }
    };
}
pub(crate) use on_every_server;
