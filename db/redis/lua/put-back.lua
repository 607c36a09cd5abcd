--[[
Purpose: return keys that were taken but not used to the head of the pool, first key first.
KEYS[1]  the pool: list of ready keys
ARGV[1]  length of one key in characters
ARGV[2]  the keys, concatenated
Returns  the level after the call
]]
local pool = KEYS[1]
local keyLength, packed = tonumber(ARGV[1]), ARGV[2]

local refusal = pushKeys('LPUSH', pool, keyLength, packed)
if refusal then return refusal end
return redis.call('LLEN', pool)
