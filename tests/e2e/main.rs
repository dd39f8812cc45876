//! The project over real HTTP and WebSocket: two users, several connections each.
