// Chat and calls in React: the client lives outside, and components watch its snapshots.
import { StrictMode, useEffect, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { NowOptics } from "@nowoptics/client";

const { user, peer, api } = Object.fromEntries(new URLSearchParams(location.search));
const client = new NowOptics({ user, api });

/** The snapshot of a client, a conversation, the list of conversations or a call. */
const useSnapshot = (watched) => useSyncExternalStore(watched.subscribe, watched.getSnapshot);

function App() {
  const { state, calls } = useSnapshot(client);
  useEffect(client.connect, []);
  return (
    <main>
      <p id="state">{state}</p>
      <Conversation conversation={client.conversation(peer)} />
      {calls.map((call) => <Call key={call.id} call={call} />)}
      {calls.length === 0 && <button id="call" onClick={() => client.call(peer)}>Call</button>}
    </main>
  );
}

function Conversation({ conversation }) {
  const { messages, isTyping, hasOlder } = useSnapshot(conversation);
  const [draft, setDraft] = useState("");
  const type = ({ target }) => {
    conversation.typing();
    setDraft(target.value);
  };
  const send = (event) => {
    event.preventDefault();
    if (draft) conversation.send(draft);
    setDraft("");
  };
  return (
    <form id="composer" onSubmit={send}>
      {hasOlder && <button type="button" onClick={() => conversation.loadOlder()}>Older</button>}
      <ol id="messages">
        {messages.map(({ key, sender_id: sender, content, state }) => (
          <li key={key} dir="auto">{sender}: {content}{state !== "sent" && ` (${state})`}</li>
        ))}
      </ol>
      {isTyping && <p>{peer} types…</p>}
      <input id="draft" value={draft} onChange={type} aria-label="Message" />
      <button>Send</button>
    </form>
  );
}

function Call({ call }) {
  const { state, localStream, remoteStream } = useSnapshot(call);
  return (
    <section>
      <p id="call-state">{state}: {call.peer}</p>
      <Video id="remote" stream={remoteStream} />
      <Video id="local" stream={localStream} muted />
      {state === "ringing" && <button id="accept" onClick={() => call.accept()}>Accept</button>}
      <button id="hang-up" onClick={() => call.hangUp()}>Hang up</button>
    </section>
  );
}

function Video({ stream, ...rest }) {
  const show = (video) => {
    if (video && video.srcObject !== stream) video.srcObject = stream;
  };
  return <video ref={show} autoPlay playsInline {...rest} />;
}

createRoot(document.body.appendChild(document.createElement("div"))).render(<StrictMode><App /></StrictMode>);
