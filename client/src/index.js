// The exports of the package; README.md describes them.

export { NowOptics } from "./nowoptics.js";
export { ApiError, SignInError } from "./errors.js";

/**
 * @typedef {import("./nowoptics.js").Options} Options
 * @typedef {import("./nowoptics.js").ClientSnapshot} ClientSnapshot
 * @typedef {import("./call.js").Call} Call
 * @typedef {import("./call-snapshot.js").CallSnapshot} CallSnapshot
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").ConversationSnapshot} ConversationSnapshot
 * @typedef {import("./conversation.js").Message} Message
 * @typedef {import("./conversations.js").Entry} Entry
 * @typedef {import("./wire.js").StoredMessage} StoredMessage
 * @typedef {import("./conversations.js").Conversations} Conversations
 * @typedef {import("./conversations.js").ConversationsSnapshot} ConversationsSnapshot
 */
