// A relay on Socket.IO: every user has a room of that name, and what is sent to a room is sent on to whoever is in it.
//
//   node server.js PORT
"use strict";

const { Server } = require("socket.io");

// How long a sender's acknowledgement waits for its recipient's.
const ACKNOWLEDGED_WITHIN_MS = 60_000;

const io = new Server({ transports: ["websocket"], serveClient: false, pingTimeout: 60_000 });

io.on("connection", (socket) => {
  const { user, group } = socket.handshake.auth;
  socket.join(user);
  if (group !== undefined) {
    socket.join(group);
  }
  socket.on("message", (to, content, acknowledge) => {
    if (acknowledge === undefined) {
      io.to(to).emit("message", content);
      return;
    }
    io.to(to)
      .timeout(ACKNOWLEDGED_WITHIN_MS)
      .emit("message", content, (error) => {
        if (!error) {
          acknowledge();
        }
      });
  });
});

const http = require("node:http").createServer();
io.attach(http);
http.listen(Number(process.argv[2]), "127.0.0.1");
