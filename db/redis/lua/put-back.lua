--[[
Purpose: return keys that were taken but not used to the head of the pool, first key first.
KEYS[1]  the pool: list of ready keys
KEYS[2]  the keyspace that the pool belongs to: a string
ARGV[1]  length of one key in characters
ARGV[2]  the keys, concatenated
ARGV[3]  our keyspace; empty to compare nothing
Returns  the level after the call
]]
local pool, keyspaceKey = KEYS[1], KEYS[2]
local keyLength, packed, ours = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local refusal = refusalOf(keyspaceKey, ours, false) or pushKeys('LPUSH', pool, keyLength, packed)
if refusal then return refusal end
return redis.call('LLEN', pool)
