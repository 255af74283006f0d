"""The broker over the Redis protocol: one Lua script per step of dispatch, everything else plain commands."""
