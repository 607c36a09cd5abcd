--[[
Purpose: move the counter of keys forwards, and lift it first if it is behind.
KEYS[1]  the counter: the last id that was given out, as a number
KEYS[2]  the keyspace of this Redis: a string
ARGV[1]  how many ids are wanted
ARGV[2]  the counter must not be below this id
ARGV[3]  our keyspace; recorded if none is
Returns  the counter before this call: the ids after it, as many as were wanted, are the caller's
]]
local counter, keyspaceKey = KEYS[1], KEYS[2]
local count, floor = tonumber(ARGV[1]), tonumber(ARGV[2])
local ours = ARGV[3]

local refusal = refusalOf(keyspaceKey, ours, true)
if refusal then return refusal end

local stored = redis.call('GET', counter)
local last = countOf(stored)
if not last then return redis.error_reply('IMPOSSIBLE ' .. counter .. ' is ' .. shown(stored)) end
if last < floor then last = floor end
-- As text, because Lua writes large numbers as 1e+15.
redis.call('SET', counter, string.format('%.0f', last + count))
return string.format('%.0f', last)
