// What goes over the wire, as far as the package reads or writes it. The types alone: nothing here runs.
// `npm run check` compares them with docs/openapi.yaml and docs/asyncapi.yaml.

/**
 * @typedef {object} StoredMessage a message as the server tells it
 * @property {string} id
 * @property {string} sender_id
 * @property {string} receiver_id
 * @property {string} content
 * @property {string} created_at
 * @property {string | null} updated_at
 * @property {string} [client_id]
 * @property {Metadata} [metadata]
 *
 * @typedef {Record<string, unknown>} Metadata the sender's own
 *
 * @typedef {object} StoredConversation
 * @property {string} with
 * @property {StoredMessage} last_message
 * @property {number} unread
 * @property {string | null} read
 * @property {string | null} read_by_peer
 *
 * @typedef {{ type: "new_message" | "update_message", data: StoredMessage, event_id: string }} MessageChanged
 * @typedef {{ type: "delete_message", data: { id: string }, event_id: string }} MessageDeleted
 * @typedef {MessageChanged | MessageDeleted} ChatEvent
 *
 * @typedef {"caller" | "callee"} Role
 * @typedef {"hangup" | "declined" | "busy" | "cancelled" | "timeout" | "failed" | "answered_elsewhere" | "replaced" | "disconnected"} Reason
 *
 * @typedef {object} KnownCall what the server knows of a call
 * @property {string} call_id
 * @property {string} with
 * @property {Role} role
 * @property {"ringing" | "active" | "ended"} state
 * @property {Reason | null} reason
 * @property {string} started_at
 * @property {string | null} answered_at
 * @property {string | null} ended_at
 * @property {number} [ends_in]
 * @property {number} [away]
 *
 * @typedef {object} LiveCall one of those that `registered` lists
 * @property {string} call_id
 * @property {string} with
 * @property {Role} role
 * @property {"ringing" | "active"} state
 * @property {boolean} here whether this connection takes part
 * @property {number} [ends_in]
 * @property {number} [away]
 */

/**
 * The routes of the REST API: what is sent, and what a success answers.
 * @typedef {{
 *   "GET /messages": { query: { with?: string, limit?: number }, answer: StoredMessage[] },
 *   "GET /messages/{id}": { answer: StoredMessage },
 *   "POST /messages": {
 *     body: { sender_id?: string | null, receiver_id: string, content: string, client_id?: string | null, metadata?: Metadata | null },
 *     answer: { message: "Message created", data: StoredMessage },
 *   },
 *   "PUT /messages/{id}": {
 *     body: { content: string, metadata?: Metadata | null },
 *     answer: { message: "Message updated", data: StoredMessage },
 *   },
 *   "DELETE /messages/{id}": { answer: { message: "Message deleted" } },
 *   "GET /events": { query: { since?: string }, answer: { events: ChatEvent[], event_id: string, more: boolean } },
 *   "GET /conversations": { query: { limit?: number }, answer: StoredConversation[] },
 *   "PUT /conversations/{peer}/read": { query: { peer?: string }, body: { message_id: string }, answer: { unread: number } },
 *   "GET /calls/{peer}": { query: { peer?: string }, answer: KnownCall },
 *   "POST /calls/{peer}/end": {
 *     query: { peer?: string },
 *     body: { call_id: string, reason?: string | null },
 *     answer: { message: "Call ended" },
 *   },
 *   "GET /ice-servers": {
 *     answer: { iceServers: { urls: string[], username?: string, credential?: string }[], ttl: number },
 *   },
 *   "POST /tickets": { answer: { ticket: string, expires_in: 30 } },
 * }} Routes
 */

/**
 * A frame for the peer. `data` is a description or a candidate, which the server does not look into.
 * @template T
 * @typedef {{ type: T, target: string, userKey?: string, call_id?: string, data?: any, ref?: string }} Signal
 */

/**
 * @typedef {{
 *   register: { type: "register", userKey?: string, recover?: boolean, call_id?: string, ref?: string },
 *   offer: Signal<"offer">,
 *   answer: Signal<"answer">,
 *   candidate: Signal<"candidate">,
 *   ringing: { type: "ringing", target: string, userKey?: string, call_id: string, ref?: string },
 *   end_call: { type: "end_call", target: string, userKey?: string, call_id?: string, reason?: string, ref?: string },
 *   typing: { type: "typing", target: string, userKey?: string, ref?: string },
 *   ping: { type: "ping" },
 * }} ClientFrames
 *
 * @typedef {ClientFrames[keyof ClientFrames]} ClientFrame
 */

/**
 * What becomes of a signal. Fields that the peer's client has set are what it has made of them.
 * @template T
 * @typedef {{ type: T, target: string, sender: string, userKey?: string, call_id?: any, data?: any, ref?: any }} Relayed
 */

/**
 * @typedef {{
 *   registered: { type: "registered", userKey: string, event_id: string, calls: LiveCall[], ref?: string },
 *   offer: Relayed<"offer">,
 *   answer: Relayed<"answer">,
 *   candidate: Relayed<"candidate">,
 *   ringing: { type: "ringing", target: string, sender: string, userKey?: string, call_id: string, ref?: any },
 *   end_call: { type: "end_call", target?: string, sender: string, userKey?: string, call_id?: any, reason?: any, ref?: any },
 *   typing: { type: "typing", target: string, sender: string, userKey?: string, ref?: any },
 *   peer_disconnected: { type: "peer_disconnected", sender: string, call_id: string, for: 30 },
 *   peer_reconnected: { type: "peer_reconnected", sender: string, call_id: string },
 *   new_message: { type: "new_message", data: StoredMessage, event_id: string },
 *   update_message: { type: "update_message", data: StoredMessage, event_id: string },
 *   delete_message: MessageDeleted,
 *   read: { type: "read", data: Mark },
 *   pong: { type: "pong" },
 *   error: ErrorFrame,
 *   platform_failure: { type?: undefined, message: string, connectionId: string, requestId: string },
 * }} ServerFrames
 *
 * @typedef {ServerFrames[keyof ServerFrames]} ServerFrame
 *
 * @typedef {{ reader: string, with: string, message_id: string }} Mark how far somebody has read
 *
 * @typedef {object} ErrorFrame
 * @property {"error"} type
 * @property {string} error
 * @property {ErrorCode} code
 * @property {number} [retry_after]
 * @property {number} [held_for]
 * @property {string} [request_type]
 * @property {string} [target]
 * @property {string} [call_id]
 * @property {string} [ref]
 *
 * @typedef {"invalid_frame" | "unknown_type" | "invalid_target" | "invalid_user_key" | "not_registered" | "forbidden" |
 *   "peer_unavailable" | "glare" | "too_large" | "rate_limited" | "unavailable" | "internal"} ErrorCode
 */

export {};
