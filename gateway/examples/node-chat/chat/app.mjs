// One function for every route: it lets in who says a name, and answers each frame.

export async function handler(event) {
  const { eventType, connectionId } = event.requestContext;
  switch (eventType) {
    case "CONNECT":
      return { statusCode: event.queryStringParameters?.name ? 200 : 401 };
    case "MESSAGE": {
      const said = JSON.parse(event.body).text;
      return { statusCode: 200, body: JSON.stringify({ room: process.env.ROOM, from: connectionId, text: said }) };
    }
    default:
      return { statusCode: 200 };
  }
}
