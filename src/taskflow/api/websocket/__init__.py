"""Live events over `/api/v1/ws`: one reader of the stream a process, many sockets."""
