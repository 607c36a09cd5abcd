--[[
Purpose: move the counter of keys forwards. It is set to the mark first if it is behind, or too far ahead:
nothing counts that far while the mark stays behind, so somebody has written it, or the mark has gone back.
KEYS[1]  the counter: the last id that was given out, as a number
KEYS[2]  the keyspace of this Redis: a string
ARGV[1]  how many ids are wanted
ARGV[2]  the mark: the counter must not be below this id
ARGV[3]  the counter must not be above this id
ARGV[4]  our keyspace; recorded if none is
Returns  the id after which the caller's begin, as many as were wanted; and the counter before this call
]]
local counter, keyspaceKey = KEYS[1], KEYS[2]
local count, mark, ceiling = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ours = ARGV[4]

local refusal = refusalOf(keyspaceKey, ours, true)
if refusal then return refusal end

local stored = redis.call('GET', counter)
local last = countOf(stored)
if not last then return redis.error_reply('IMPOSSIBLE ' .. counter .. ' is ' .. shown(stored)) end
local from = (last < mark or last > ceiling) and mark or last
-- As text, because Lua writes large numbers as 1e+15.
redis.call('SET', counter, string.format('%.0f', from + count))
return { string.format('%.0f', from), string.format('%.0f', last) }
