--[[
Purpose: take keys from the head of the pool and report what is left, in one round trip.
KEYS[1]  the pool: list of ready keys
ARGV[1]  how many keys at most
Returns  {level after the take, key, key, ...}; fewer keys than asked for, or none, when the pool runs out
]]
local pool = KEYS[1]
local count = ARGV[1]

local reply = redis.call('LPOP', pool, count) or {}
table.insert(reply, 1, redis.call('LLEN', pool))
return reply
