-- One index less to write for every message. An id begins with the time its message was made at, so what is too old is found by the primary key.
DROP INDEX linker_message_arrival;
