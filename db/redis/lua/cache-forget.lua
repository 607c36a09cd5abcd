--[[
Purpose: delete the entry of a key that has changed, and refuse every fill that began before.
KEYS[1]  the entry: a string that expires
KEYS[2]  versions: hash of stripe -> random text
ARGV[1]  the stripe of the key
ARGV[2]  a random text: the new version
Returns  1
]]
local entry, versions = KEYS[1], KEYS[2]
local stripe, version = ARGV[1], ARGV[2]

redis.call('HSET', versions, stripe, version)
redis.call('DEL', entry)
return 1
