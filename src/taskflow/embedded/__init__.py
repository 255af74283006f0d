"""Real PostgreSQL and a real Redis-protocol server, out of wheels, under `TASKFLOW_HOME`.

    home/                     0700; `TASKFLOW_HOME`
      lock                    held (flock) by the guardian for as long as the servers run
      servers.json            which servers run now: process ids, URLs, the private folder of the sockets
      processes.json          which processes `taskflow up` runs now
      secret-key, cli-key     made at first start, 0600; admin-password too, when there was no terminal to show it on
      postgresql/             the data folder; PG_VERSION must be the wheel's major
      valkey/                 the snapshot of the Redis-protocol server
      logs/                   what the servers and the guardian print
    <temporary>/taskflow-*/   0700; the sockets (a socket's path may have 107 bytes, a home may be deeper)

Nothing listens on a network: both servers answer on Unix sockets in a folder only their user may enter.

`servers.EmbeddedServers` is the door. It starts `guardian`, one single-threaded process that starts the two servers,
restarts one that dies, and stops both when it is told to, when its parent ends in whatever way, or (by the kernel's
parent-death signal) when it is killed itself. `supervisor.AllInOne` adds TaskFlow's own processes to them.
"""

from taskflow.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServers"]
