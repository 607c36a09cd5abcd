--[[
Purpose: take keys from the head of the pool and return the level, in one round trip.
KEYS[1]  the pool: list of ready keys
ARGV[1]  the most keys to take
Returns  {level after the take, key, key, ...}; fewer keys, or none, when the pool has not enough
]]
local pool = KEYS[1]
local count = ARGV[1]

local reply = redis.call('LPOP', pool, count) or {}
table.insert(reply, 1, redis.call('LLEN', pool))
return reply
