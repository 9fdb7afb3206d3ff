// Plain WebSocket fan-out with Bun's own publish (uWebSockets): a connection to /ws/TOPIC is subscribed to it, and what it
// says goes to all others there. Arguments: the port.
Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    const topic = new URL(request.url).pathname.slice("/ws/".length);
    if (server.upgrade(request, { data: { topic } })) return;
    return new Response("a WebSocket is expected\n", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) { socket.subscribe(socket.data.topic); },
    message(socket, message) { socket.publish(socket.data.topic, message); },
  },
});
