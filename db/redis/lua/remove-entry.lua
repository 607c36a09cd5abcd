--[[
Purpose: remove the entry of a mapper that ends, unless its successor has replaced it.
KEYS[1]  the entry: a string
KEYS[2]  the list of all that run: a sorted set of ids
ARGV[1]  id of the mapper
ARGV[2]  what it has written
Returns  1 if it was removed, else 0
]]
local entry, list = KEYS[1], KEYS[2]
local id, written = ARGV[1], ARGV[2]

if redis.call('GET', entry) ~= written then return 0 end
redis.call('ZREM', list, id)
return redis.call('DEL', entry)
