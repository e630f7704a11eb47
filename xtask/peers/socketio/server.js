// A relay on Socket.IO: every user has a room of that name, and what is sent to a room is sent on to whoever is in it.
//
//   node server.js PORT
"use strict";

const { Server } = require("socket.io");

const io = new Server({ transports: ["websocket"], serveClient: false, pingTimeout: 60_000 });
const namespace = io.of("/");

namespace.on("connection", (socket) => {
  const { user, group } = socket.handshake.auth;
  socket.join(user);
  if (group !== undefined) {
    socket.join(group);
  }
  socket.on("message", (to, content, acknowledge) => {
    if (acknowledge === undefined) {
      namespace.to(to).emit("message", content);
      return;
    }
    // To the one who is in the room: a broadcast would collect acknowledgements, with a timer for every message.
    const [id] = namespace.adapter.rooms.get(to) ?? [];
    namespace.sockets.get(id)?.emit("message", content, acknowledge);
  });
});

const http = require("node:http").createServer();
io.attach(http);
http.listen(Number(process.argv[2]), "127.0.0.1");
