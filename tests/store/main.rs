//! The store on real servers: every test runs against a single Valkey and against a cluster of three.

mod calls;
mod events;
mod ground;
mod listing;
mod messages;
mod registry;
mod tickets;
mod tls;
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
    };
}
pub(crate) use on_every_server;
