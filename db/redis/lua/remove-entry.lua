--[[
Purpose: remove the entry of a mapper that ends, unless its successor has replaced it.
KEYS[1]  the entry: a string
ARGV[1]  what the mapper has written
Returns  1 if it was removed, else 0
]]
local entry, written = KEYS[1], ARGV[1]

if redis.call('GET', entry) ~= written then return 0 end
return redis.call('DEL', entry)
