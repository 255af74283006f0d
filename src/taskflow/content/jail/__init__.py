"""What runs inside the rendering jail; `taskflow.content.rendering` is the keeper outside.

User templates are programs of strangers. They are parsed, compiled and rendered in child processes that have:

- nothing to find: an empty environment, `/` as directory, one socket, no other file descriptor; contexts are plain
  JSON data, never objects; the templates see no globals, no loader, and only filters and tests that are listed;
- nothing to reach: `RLIMIT_NOFILE 0` and a system call filter (Linux) refuse files, sockets and processes even
  after an escape from the template sandbox; root is given up;
- nothing to exhaust: `RLIMIT_AS`, CPU seconds per message (`ITIMER_PROF`, with `RLIMIT_CPU` behind it), a cap on the
  output of each part, and the keeper's wall clock. The child dies with its parent.

These modules are imported by `python -I -S`, so they keep to jinja2, orjson, selectolax, mrml, css-inline, Babel and
light standard modules. What those would read from files later (locales, time zones) is read before the door is locked.
"""
