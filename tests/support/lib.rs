//! The library that all suites are written with: a test environment (functions, stores, gateways) and its users.
//!
//! | Module | Starts or is |
//! |---|---|
//! | [`app`] | a gateway with the project's functions: one that all tests share, or one's own, built with what it needs |
//! | [`user`], [`device`] | a user of the REST API, and one of the user's WebSockets |
//! | [`api_client`], [`reply`] | a client that shows a token, and an HTTP response |
//! | [`issuer`] | an issuer of tokens that gateways trust |
//! | [`store`] | a store of a given [`StoreKind`]: shared by all tests, or one's own |
//! | [`proxy`] | proxies before a store or a gateway: with TLS, checking tokens, slow, cut for a while, counting and interrupting |
//! | [`clock`] | a clock for functions and a store, which a test moves |
//! | [`turn`] | a TURN server |
//! | [`paused_process`] | a process that is stopped for a while |
//! | [`generator`] | generated input |
//! | `recording` | a record of frames and responses, where one is asked for |
//! | [`environment`] | the threads that these run on, and the functions' binaries, built once |
//! | [`log`] | the log of gateways and functions, in which no secret may stand |
//! | [`waiting`] | waits for a condition, with a timeout |
//! | [`mod@skip`] | says that a test is skipped because the machine lacks something; in CI that is a failure |

pub mod api_client;
pub mod app;
pub mod clock;
pub mod device;
pub mod environment;
pub mod generator;
pub mod issuer;
pub mod log;
pub mod paused_process;
pub mod proxy;
mod recording;
pub mod reply;
pub mod skip;
pub mod store;
pub mod turn;
pub mod user;
pub mod waiting;

pub use api_client::ApiClient;
pub use app::{App, AppBuilder, Mode, TestGateway};
pub use clock::Clock;
pub use device::Device;
pub use environment::{admin, gateway_program, root};
pub use generator::Generator;
pub use issuer::{AUDIENCE, Token};
pub use log::{Watch, read_log};
pub use paused_process::PausedProcess;
pub use reply::Reply;
pub use skip::skip;
pub use store::{StoreKind, TestStore};
pub use user::{Message, User, encoded};
pub use waiting::{in_time, wait_until, wait_until_for};
