--[[
Purpose: take keys from the head of the pool and return the level, in one round trip.
KEYS[1]  the pool: list of ready keys
KEYS[2]  the keyspace that the pool belongs to: a string
ARGV[1]  the most keys to take
ARGV[2]  our keyspace; empty to compare nothing
Returns  {level after the take, key, key, ...}; fewer keys, or none, when the pool has not enough
]]
local pool, keyspaceKey = KEYS[1], KEYS[2]
local count, ours = ARGV[1], ARGV[2]

local refusal = refusalOf(keyspaceKey, ours, false)
if refusal then return refusal end

local reply = redis.call('LPOP', pool, count) or {}
table.insert(reply, 1, redis.call('LLEN', pool))
return reply
